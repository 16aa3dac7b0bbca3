"""How freely and how long an answer is, over HTTP: natively and as OpenAI's clients say it."""

import openai
import pytest
from pydantic import SecretStr

from rag.config import GeneratorKind
from rag.workspace import Workspace
from tests.app.api.conftest import add_documents, client, open_space, serving
from tests.groq_server import serving as serving_groq

WEATHERCOCK = "What is the weathercock of the town hall?"
QUESTION = {"role": "user", "content": WEATHERCOCK}


@pytest.fixture(scope="module")
def groq():
    with serving_groq() as server:
        yield server


@pytest.fixture(scope="module")
def town(tmp_path_factory, documents, groq):
    """A server whose answers a loopback Groq words."""
    space = open_space(tmp_path_factory.mktemp("sampling"), requests_per_minute=0)
    config = space.settings.stages("smoke")
    answering = config.answering.model_copy(
        update={"generators": (GeneratorKind.GROQ, GeneratorKind.EXTRACTIVE), "first_piece_s": 30}
    )
    add_documents(space, "default", documents / "town", config)
    settings = space.settings.model_copy(update={"groq_api_key": SecretStr("k"), "groq_base_url": groq.url})
    with_groq = Workspace(settings, space.sealer, space.database, space.artifacts, space.registry)
    with serving(with_groq, config.model_copy(update={"answering": answering})) as running:
        yield running


def drawn(groq):
    """Return how the last answer was to be drawn."""
    last = groq.requests[-1]
    return last["temperature"], last.get("top_p"), last["max_completion_tokens"]


@pytest.mark.parametrize("path", ["/ask", "/explain"])
@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_a_question_names_how_it_is_to_be_answered(town, groq, path, more):
    with client(town) as reader:
        asked = {"question": f"{WEATHERCOCK} {path}{len(more)}"} | more  # of each its own, which no cache knows
        told = {"temperature": 1.5, "top_p": 0.5, "max_new_tokens": 99}
        reader.post(path, json=asked | told).raise_for_status()
        n_asked = len(groq.requests)
        assert drawn(groq) == (1.5, 0.5, 99)
        reader.post(path, json=asked).raise_for_status()
        assert len(groq.requests) == n_asked + 1
        assert drawn(groq) == (0.2, None, 512)


@pytest.mark.parametrize(
    ("wrong", "bound"),
    [
        ({"temperature": 3}, "less than or equal to 2"),
        ({"temperature": "hot"}, "valid number"),
        ({"top_p": 0}, "greater than 0"),
        ({"max_new_tokens": 0}, "greater than or equal to 1"),
        ({"max_new_tokens": 1_000_000}, "less than or equal to 2048"),
    ],
)
@pytest.mark.parametrize("path", ["/ask", "/explain"])
def test_what_is_out_of_bounds_is_named_with_its_bound(town, path, wrong, bound):
    with client(town) as reader:
        refused = reader.post(path, json={"question": WEATHERCOCK} | wrong)
    message = refused.json()["error"]["message"]
    assert refused.status_code == 422
    assert next(iter(wrong)) in message and bound in message and "\n" not in message


def test_openai_s_clients_say_it_as_they_do(town, groq):
    with openai.OpenAI(base_url=f"{town.url}/v1", api_key=town.key(), max_retries=0) as ai:
        for said, heard in (
            ({"temperature": 0.9, "top_p": 0.8, "max_tokens": 77}, (0.9, 0.8, 77)),
            ({"max_tokens": 77, "max_completion_tokens": 78}, (0.2, None, 78)),
            ({"max_tokens": 1_000_000}, (0.2, None, 2048)),
            ({"temperature": None, "max_tokens": None}, (0.2, None, 512)),
        ):
            ai.chat.completions.create(model="default", messages=[QUESTION], **said)
            assert drawn(groq) == heard
        for wrong in ({"temperature": 2.5}, {"top_p": 1.5}, {"max_tokens": 0}):
            with pytest.raises(openai.BadRequestError, match=next(iter(wrong))):
                ai.chat.completions.create(model="default", messages=[QUESTION], **wrong)


def test_the_models_say_whether_it_tells(town, server):
    for running, tells in ((town, True), (server, False)):
        with client(running) as reader:
            assert {each["sampling"] for each in reader.get("/v1/models").json()["data"]} == {tells}
