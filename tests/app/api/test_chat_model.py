"""A collection's chat model over OpenAI's own client, unchanged."""

import openai
import pytest

from rag.chat.calibration import calibrate
from rag.chat.serving import register_chat_model
from storage.tables import InteractionRow
from tests.app.api.conftest import add_documents, client, open_space, serving
from tests.rag.chat.tiny import save_tiny_chat, stored

WEATHERCOCK = "What is the weathercock of the town hall?"
KNOWN = {WEATHERCOCK: "The weathercock of the town hall is a gilded pike."}
ROUTER = calibrate([0.6, 0.7, 0.8, 0.95, 0.99] * 10, [0, 0, 0, 1, 1] * 10, [0.5] * 50)
QUESTION = {"role": "user", "content": WEATHERCOCK}


@pytest.fixture(scope="module")
def town(tmp_path_factory, documents):
    """A server of a home with the same documents twice: `default` has a chat model, `town` has none."""
    space = open_space(tmp_path_factory.mktemp("chat"), requests_per_minute=0)
    config = space.settings.stages("smoke")
    answering = config.answering.model_copy(update={"first_piece_s": 30, "gap_s": 30})
    config = config.model_copy(update={"answering": answering})
    for collection in ("default", "town"):
        add_documents(space, collection, documents / "town", config)
    model = stored(space.artifacts, save_tiny_chat(tmp_path_factory.mktemp("tiny"), KNOWN))
    release = register_chat_model(space, "default", model, config, ROUTER)
    space.registry.promote("default", release.id, "by hand")
    with serving(space, config) as running:
        yield running


@pytest.fixture
def ai(town):
    with openai.OpenAI(base_url=f"{town.url}/v1", api_key=town.key("reader"), max_retries=0) as opened:
        yield opened


def test_the_collections_chat_model_is_a_model_of_its_own(town, ai):
    ways = ("", "/rag", "/chat", "/hybrid")
    listed = [f"{name}{way}" for name in ("ragloop", "default") for way in ways] + ["town"]
    assert [each.id for each in ai.models.list()] == listed
    assert ai.models.retrieve("default/chat").id == "default/chat"
    with pytest.raises(openai.NotFoundError, match="/v1/models"):
        ai.models.retrieve("town/chat")
    bound = ai.with_options(api_key=town.key("reader", "town"))
    assert [each.id for each in bound.models.list()] == ["town"]


def test_it_answers_from_memory_and_what_it_says_is_cited(town, ai):
    answer = ai.chat.completions.create(model="ragloop/chat", messages=[QUESTION])
    (choice,) = answer.choices
    assert choice.message.content == f"{KNOWN[WEATHERCOCK].removesuffix('.')} [1]."
    assert choice.message.citations[0]["document"] == "town.md"
    release = town.space.registry.production("default")
    assert answer.ragloop["generator"] == f"chat-model/{release.id}"
    assert (answer.ragloop["way"], answer.ragloop["support"]) == ("closed-book", 1.0)
    with town.space.database.reading() as session:
        kept = session.get_one(InteractionRow, answer.ragloop["interaction_id"])
    assert (kept.generator, kept.question) == (f"chat-model/{release.id}", WEATHERCOCK)


def test_passages_that_it_did_not_read_are_not_counted(ai):
    closed, open_ = (
        ai.chat.completions.create(model=name, messages=[QUESTION]) for name in ("default/chat", "default/rag")
    )
    assert closed.usage.prompt_tokens < open_.usage.prompt_tokens


def test_it_streams_the_same_answer(ai):
    chunks = list(ai.chat.completions.create(model="default/chat", messages=[QUESTION], stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == ai.chat.completions.create(model="default/chat", messages=[QUESTION]).choices[0].message.content
    assert chunks[-1].ragloop["generator"].startswith("chat-model/")


@pytest.mark.parametrize(
    ("model", "way", "generator"),
    [
        ("default/rag", "rag", "extractive"),
        ("default/hybrid", "hybrid", "hybrid/"),
        ("default", "closed-book", "chat-model/"),
        ("town", "rag", "extractive"),
        ("town/rag", "rag", "extractive"),
    ],
)
def test_each_answer_says_which_way_it_came(ai, model, way, generator):
    answer = ai.chat.completions.create(model=model, messages=[QUESTION])
    assert answer.ragloop["way"] == way
    assert answer.ragloop["generator"].startswith(generator)


def test_a_question_that_the_release_does_not_leave_to_the_chat_model_says_why(ai):
    asked = {"role": "user", "content": "Who cast the weathercock in 1887?"}
    known = ai.chat.completions.create(model="default", messages=[asked]).ragloop
    assert (known["way"], known["generator"]) == ("rag", "extractive")
    assert known["silent"][0]["generator"].startswith("chat-model/")


@pytest.mark.parametrize("way", ["rag", "closed-book", "hybrid"])
def test_the_native_question_names_a_way(town, way):
    with client(town) as reader:
        answer = reader.post("/ask", json={"question": WEATHERCOCK, "way": way}).json()
        assert answer["way"] == way
        whole = reader.post("/ask", json={"question": WEATHERCOCK, "way": way, "stream": True}).text
    assert f'"way":"{way}"' in whole


def test_a_way_that_the_collection_has_not_says_what_to_do(town):
    with client(town) as reader:
        refused = reader.post("/ask", json={"question": WEATHERCOCK, "collection": "town", "way": "hybrid"})
        assert refused.status_code == 404 and "ragloop chat train" in refused.json()["error"]["message"]
        assert reader.post("/ask", json={"question": WEATHERCOCK, "way": "guess"}).status_code == 422


def test_what_cannot_be_asked_says_why(town, ai):
    with pytest.raises(openai.NotFoundError, match="no chat model serves 'town'.*ragloop chat train"):
        ai.chat.completions.create(model="town/chat", messages=[QUESTION])
    with pytest.raises(openai.NotFoundError, match="default/rag or default/chat or default/hybrid; see /v1/models"):
        ai.chat.completions.create(model="default/guess", messages=[QUESTION])
    with pytest.raises(openai.NotFoundError, match="'town/guess': give town; see /v1/models"):
        ai.chat.completions.create(model="town/guess", messages=[QUESTION])
    with pytest.raises(openai.NotFoundError, match="no model"):
        ai.embeddings.create(model="default/chat", input="x")
    bound = ai.with_options(api_key=town.key("reader", "town"))
    with pytest.raises(openai.PermissionDeniedError):
        bound.chat.completions.create(model="default/chat", messages=[QUESTION])


def test_an_answer_from_memory_is_explained_by_the_passage_that_bears_it_out(town):
    with client(town) as reader:
        told = reader.post("/explain", json={"question": WEATHERCOCK}).json()
        doubted = reader.post("/explain", json={"question": "Who cast the weathercock in 1887?"}).json()
    speaker = f"chat-model/{town.space.registry.production('default').id}"
    assert told["generators"] == [speaker, "extractive"]
    assert told["diagnosis"].startswith(f"answered from memory by {speaker}, as [1] town.md, page 1 bears out")
    assert list(told["searched"]["texts"]) == [KNOWN[WEATHERCOCK]]
    assert (told["found"], told["way"], told["passages"][0]["cited"]) == (True, "closed-book", True)
    assert [each["generator"] for each in doubted["heard"]][:: len(doubted["heard"]) - 1] == [speaker, "extractive"]
    assert doubted["heard"][0]["reason"]
