"""Ways to answer on the page: as the release decides, one that is chosen, and all side by side."""

from tests.app.api.test_chat_model import KNOWN, WEATHERCOCK, town  # noqa: F401


def ways(visit):
    (found,) = [each for each in visit.page.selectbox if each.label == "Way to answer"]
    return found


def test_the_way_is_the_release_s_unless_chosen(reader):
    assert ways(reader).options == ["Automatic", "From passages", "Fine-tuned memory", "Hybrid", "Side by side"]
    (answer,) = reader.ask(WEATHERCOCK).values()
    assert any(text.startswith("The release chose this way") for text in reader.texts)
    reader.click("New conversation")
    ways(reader).set_value("Fine-tuned memory").run()
    (answer,) = reader.ask(WEATHERCOCK).values()
    assert answer["way"] == "closed-book"
    assert KNOWN[WEATHERCOCK].removesuffix(".") in answer["text"]
    assert any(text.startswith("You chose this way: from the memory") for text in reader.texts)


def test_side_by_side_each_way_answers_and_takes_its_own_thumb(reader):
    ways(reader).set_value("Side by side").run()
    answers = reader.ask(WEATHERCOCK)
    assert {way: each.get("way") for way, each in answers.items()} == {
        way: way for way in ("rag", "closed-book", "hybrid")
    }
    shown = [text for text in reader.texts if text in {each["text"] for each in answers.values()}]
    assert len(shown) == 3
    assert len(reader.page.columns) >= 3
    thumbs = {each.key for each in reader.page.feedback if each.key.startswith("thumb-")}
    assert thumbs == {f"thumb-{each['id']}" for each in answers.values()}


def test_a_collection_without_a_chat_model_offers_no_choice(reader):
    reader.page.selectbox(key="collection").set_value("town").run()
    assert not [each for each in reader.page.selectbox if each.label == "Way to answer"]
    assert any("no chat model serves here" in text for text in reader.markdown)
