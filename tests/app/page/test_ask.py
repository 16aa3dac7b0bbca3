"""Asking on the page: sign-in, the answer with its sources, reactions, follow-ups, and what goes wrong."""

import re

import pytest
from reportlab.pdfgen.canvas import Canvas
from sqlmodel import select

from app.access import list_keys, revoke_key
from storage.tables import FeedbackRow, InteractionRow
from tests.app.api.conftest import add_documents, open_space, serving
from tests.app.api.test_ask import QUESTION
from tests.app.page.conftest import Visit
from tests.app.page.test_documents import add

MARKUP = "<script>alert(1)</script> **bold** $x$ :red[hot] :smile: [link](https://evil.example) ![](https://evil.example/i.png)"


def kept(server, id_):
    with server.space.database.reading() as session:
        return session.exec(select(FeedbackRow).where(FeedbackRow.interaction_id == id_).order_by(FeedbackRow.id)).all()


def test_it_asks_for_a_key_and_says_what_is_wrong_with_one(visit):
    stranger = visit()
    assert not stranger.page.chat_input
    assert not stranger.errors
    stranger.sign_in("rk_nobody")
    assert "ragloop keys create" in stranger.errors[0]
    assert not stranger.page.chat_input


def test_files_that_were_refused_are_named_above_the_chat(tmp_path, monkeypatch):
    with serving(open_space(tmp_path)) as running:
        monkeypatch.setenv("RAGLOOP_PAGE_API", running.url)
        newcomer = Visit()
        newcomer.sign_in(running.key("trainer"))
        add(newcomer, ("good.md", b"All is well at the quay."), ("empty.md", b""))
        assert newcomer.page.chat_input
        assert any("empty.md is empty" in error for error in newcomer.errors)
        newcomer.click("Dismiss")
        assert not newcomer.errors


def test_an_answer_opens_the_place_it_rests_on(visit):
    reader = visit("reader")
    (answer,) = reader.ask(QUESTION).values()
    assert answer["citations"]
    assert answer["text"] in reader.texts
    (citation,) = answer["citations"][:1]
    reader.page.pills(key=f"source-{answer['id']}").set_value(citation["number"]).run()
    assert not reader.errors
    assert any(citation["quote"] in text for text in reader.texts if text != answer["text"])
    assert any("valley number" in text and text.endswith("…") for text in reader.texts), "nothing around the passage"


@pytest.fixture(scope="module")
def castle(server, tmp_path_factory):
    """A PDF with a short sentence on its second page, which is cited with the one before it, on its first."""
    folder = tmp_path_factory.mktemp("castle")
    canvas = Canvas(str(folder / "castle.pdf"), pagesize=(400, 300))
    for line in ("The drawbridge of the castle is made of oak.", "It is raised at dusk."):
        canvas.drawString(40, 200, line)
        canvas.showPage()
    canvas.save()
    add_documents(server.space, "castle", folder, server.service.config)


def test_a_source_that_is_a_pdf_shows_its_pages_and_says_so_in_words(visit, castle):
    reader = visit("reader")
    reader.page.selectbox(key="collection").set_value("castle").run()
    (answer,) = reader.ask("Is it raised at dusk?").values()
    reader.page.pills(key=f"source-{answer['id']}").set_value(1).run()
    assert not reader.errors
    shown = [re.search('alt="(.*?)"', each.proto.body) for each in reader.page.get("html")]
    assert [each[1] for each in shown if each] == [
        f"Page {page_no} of castle.pdf, with the passage marked" for page_no in (1, 2)
    ]


def test_a_source_that_is_closed_is_asked_for_anew(visit):
    reader = visit("reader")
    (answer,) = reader.ask(QUESTION).values()
    source = f"source-{answer['id']}"
    reader.page.pills(key=source).set_value(1).run()
    assert answer["id"] in reader.page.session_state["opened"]
    reader.page.pills(key=source).set_value(None).run()
    assert not reader.page.session_state["opened"], "a document that is deleted meanwhile would still be shown"


def test_where_to_look_stays_for_the_visit_in_each_collection(visit):
    reader = visit("reader")
    first = reader.page.multiselect(key="only-default").options[0]
    reader.page.multiselect(key="only-default").set_value([first]).run()
    reader.go_to("documents")
    reader.go_to("")
    assert reader.page.multiselect(key="only-default").value == [first]
    reader.page.selectbox(key="collection").set_value("town").run()
    assert reader.page.multiselect(key="only-town").value == []
    reader.page.selectbox(key="collection").set_value("default").run()
    assert reader.page.multiselect(key="only-default").value == [first]
    reader.ask(QUESTION)
    assert reader.turns[-1]["asked"]["documents"] == [first]
    reader.page.session_state["only-default"] = [first, "deleted.md"]
    reader.page.run()
    assert not reader.page.exception
    assert reader.page.multiselect(key="only-default").value == [first]


def test_every_reaction_is_kept_and_thanked_for(visit, server):
    reader = visit("reader", name="anna")
    (answer,) = reader.ask(QUESTION).values()
    id_, right = answer["id"], answer["sources"][1]["chunk_id"]
    page = reader.page
    page.pills(key=f"source-{id_}").set_value(1).run()
    page.feedback(key=f"thumb-{id_}").set_value(1).run()
    assert any("Thank you" in each.value for each in page.success)
    assert [row.kind for row in kept(server, id_)] == ["citation_opened", "thumb_up"]
    page.feedback(key=f"stars-{id_}").set_value(3).run()
    assert page.feedback(key=f"thumb-{id_}").value is None, "the thumb counts no more, and shows so"
    reader.go_to("documents")
    reader.go_to("")
    assert page.feedback(key=f"stars-{id_}").value == 3, "the vote that counts is forgotten"
    page.feedback(key=f"stars-{id_}").set_value(None).run()
    assert page.feedback(key=f"stars-{id_}").value == 3, "it counts still, and shows so"
    page.text_area(key=f"better-{id_}").set_value("At least ten centimetres.")
    reader.click("Send")
    page.selectbox(key=f"passage-{id_}").set_value(right).run()
    reader.click("This is the right passage")
    rows = kept(server, id_)
    # Each person has one vote: the stars take the thumb's place.
    assert [row.kind for row in rows] == ["citation_opened", "rating", "correction", "right_passage"]
    assert rows[1].value == 4
    assert rows[2].text == "At least ten centimetres."
    assert rows[3].chunk_id == right
    with server.space.database.reading() as session:
        asked = session.get_one(InteractionRow, id_)
    assert {row.user_fingerprint for row in rows} == {asked.user_fingerprint}
    assert answer["text"] in reader.texts, "the conversation is still there"
    assert not reader.errors


def test_an_answer_says_why_it_is_as_it_is(visit):
    reader = visit("reader")
    (answer,) = reader.ask(QUESTION).values()
    assert "The release chose this way: from the passages that were found." in reader.texts
    reader.click("What each step found")
    assert any(text.startswith("answered from [1]") for text in reader.texts)
    for fact in (f"Release: {answer['release_id']} of default", f"Evidence: {answer['evidence']:.2f}", "Threshold: "):
        assert any(text.startswith(fact) for text in reader.texts), fact
    assert not any("is explained" in text for text in reader.texts), "it is of the release that serves"
    words, passages, heard, statements = (each.value for each in reader.page.dataframe)
    assert "wall" in list(words["Word"])
    (given,) = passages[passages["Cited as"] == "[1]"].to_dict("records")
    assert given["Document"] == answer["citations"][0]["document"]
    assert re.fullmatch(r"1: \d+\.\d\d", given["At last"]), "no score"
    assert list(heard["Generator"]) == ["groq", answer["generator"]]
    assert list(statements["Statement"]) == [each["text"] for each in answer["statements"]]
    (name,) = {each["document"] for each in answer["citations"]}
    reader.page.multiselect(key="only-default").set_value([name]).run()
    reader.ask(QUESTION)
    reader.page.button(key=f"explain-{reader.turns[-1]['answers'][None]['id']}").click().run()
    assert any(text.startswith(f"Looked in: {name}: ") for text in reader.texts)
    assert any(text.startswith("Left out: ") for text in reader.texts)


def test_a_correction_without_words_is_not_sent(visit, server):
    reader = visit("reader")
    (answer,) = reader.ask(QUESTION).values()
    reader.click("Send")
    assert "Write the better answer first." in reader.errors
    assert not kept(server, answer["id"])


def test_a_follow_up_goes_along_with_what_was_said(visit, server):
    reader = visit("reader")
    reader.ask(QUESTION)
    (answer,) = reader.ask("And how long is its warranty?").values()
    with server.space.database.reading() as session:
        history = session.get_one(InteractionRow, answer["id"]).history
    assert QUESTION in history
    assert len(reader.page.chat_message) == 4
    reader.click("New conversation")
    assert not reader.page.chat_message


def test_of_a_long_conversation_the_end_is_drawn_and_the_rest_when_wanted(visit):
    reader = visit("reader")
    questions = [f"{QUESTION} Please, for the {n}. time." for n in range(6)]
    for question in questions:
        reader.ask(question)
    assert questions[0] not in reader.texts
    assert set(questions[-3:]) <= set(reader.texts)
    reader.page.toggle(key="earlier").set_value(True).run()
    assert set(questions) <= set(reader.texts)
    assert len(reader.page.chat_message) == 2 * len(questions)


@pytest.mark.parametrize(("question", "word"), [("  \n ", "empty"), ("why " * 25_000, "100,000 characters")])
def test_a_question_that_is_none_is_told_and_nothing_is_lost(visit, question, word):
    reader = visit("reader")
    (answer,) = reader.ask(QUESTION).values()
    reader.page.chat_input[0].set_value(question).run()
    assert any(word in error for error in reader.errors)
    assert answer["text"] in reader.texts
    assert question in [each.value for each in reader.page.code]
    assert len(reader.turns) == 1
    assert reader.ask(QUESTION)


def test_markup_in_a_question_is_shown_as_it_was_written(visit):
    reader = visit("reader")
    reader.ask(MARKUP)
    assert MARKUP in reader.texts
    assert not [text for text in reader.markdown if "<script>" in text or "](https" in text]


def test_a_key_for_another_collection_is_told_so(visit):
    reader = visit("reader", "town")
    assert any("does not open the collection 'default'" in error for error in reader.errors)


def test_an_api_that_goes_away_is_told_and_the_conversation_stays(tmp_path, documents, monkeypatch):  # noqa: F811
    space = open_space(tmp_path)
    add_documents(space, "default", documents / "town", space.settings.stages("smoke"))
    with serving(space) as running:
        monkeypatch.setenv("RAGLOOP_PAGE_API", running.url)
        reader = Visit()
        reader.sign_in(running.key("reader"))
        reader.ask("What is the weathercock of the town hall?")
        said = list(reader.turns)
        port = int(running.url.rpartition(":")[2])
    reader.page.chat_input[0].set_value("In which year was it cast?").run()
    assert any("does not answer" in error and "ragloop serve" in error for error in reader.errors)
    assert reader.page.session_state["turns"]["default"] == said
    assert "In which year was it cast?" in reader.texts, "the question waits"
    assert said[0]["answers"][None]["text"] in reader.texts, "what was said stays in sight"
    with serving(space, port=port):
        reader.click("Try again")
        assert not reader.errors
        assert reader.turns[-1]["asked"]["question"] == "In which year was it cast?"
        assert reader.turns[-1]["answers"][None]["text"]


def test_a_key_that_is_revoked_in_the_middle_asks_for_another_and_nothing_is_lost(visit, server):
    reader = visit()
    key = server.key("reader")
    reader.sign_in(key)
    (answer,) = reader.ask(QUESTION).values()
    (id_,) = [each.id for each in list_keys(server.space.database) if key.startswith(each.id)]
    revoke_key(server.space.database, id_)
    reader.page.chat_input[0].set_value(QUESTION.upper()).run()
    assert any("ragloop keys create" in error for error in reader.errors)
    assert not reader.page.chat_input
    reader.sign_in(server.key("reader"))
    assert not reader.errors
    assert answer["text"] in reader.texts
    assert [turn["asked"]["question"] for turn in reader.turns] == [QUESTION, QUESTION.upper()], "it is asked now"


def test_an_api_that_was_never_there_is_told(monkeypatch):
    monkeypatch.setenv("RAGLOOP_PAGE_API", "http://127.0.0.1:9")
    assert any("does not answer" in error for error in Visit().errors)
