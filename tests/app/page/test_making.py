"""Answers while they are made, and those that nobody can make: nothing that a person does meanwhile loses one."""

from threading import Event

import pytest
from pydantic import SecretStr

from rag.config import GeneratorKind
from rag.workspace import Workspace
from tests.app.api.conftest import add_documents, open_space, serving
from tests.groq_server import answered, refuses
from tests.groq_server import serving as serving_groq

NAME = f"Rules of the house{' and of all its rooms' * 4}.md"
RULES = "# Rules\n\nThe cellar is open from nine to five. The attic is locked at all times."
CELLAR, ATTIC = "When is the cellar open?", "When is the attic locked?"


@pytest.fixture(scope="module")
def groq():
    with serving_groq() as server:
        yield server


@pytest.fixture(scope="module")
def town(tmp_path_factory, groq):
    """A server whose answers a loopback Groq words, and nobody else."""
    folder = tmp_path_factory.mktemp("making")
    space = open_space(folder, requests_per_minute=0)
    config = space.settings.stages("smoke")
    alone = {"generators": (GeneratorKind.GROQ,), "first_piece_s": 30, "breaker_s": 0.01}
    answering = config.answering.model_copy(update=alone)
    (folder / "documents").mkdir()
    (folder / "documents" / NAME).write_text(RULES)
    add_documents(space, "default", folder / "documents", config)
    settings = space.settings.model_copy(update={"groq_api_key": SecretStr("k"), "groq_base_url": groq.url})
    with_groq = Workspace(settings, space.sealer, space.database, space.artifacts, space.registry)
    with serving(with_groq, config.model_copy(update={"answering": answering})) as running:
        yield running


@pytest.fixture
def held(groq):
    """Hold the next two answers back until this is set."""
    event = Event()

    def waits(exchange, request):
        event.wait(60)
        answered(exchange, request)

    groq.faults += [waits, waits]
    yield event
    event.set()
    groq.faults.clear()


def begin(visit, question):
    """Ask, and turn to something else before the answer is there."""
    visit.page.chat_input[0].set_value(question)
    with pytest.raises(RuntimeError, match="timed out"):
        visit.page.run(timeout=2)
    visit.page.chat_input[0].set_value(None)


def test_another_question_and_another_page_lose_no_answer(reader, groq, held):
    asked = len(groq.requests)
    begin(reader, CELLAR)
    begin(reader, ATTIC)
    reader.go_to("documents")
    assert CELLAR not in reader.texts
    assert [turn["answers"] for turn in reader.turns] == [{}, {}]
    held.set()
    reader.go_to("")
    for turn in reader.turns:
        assert turn["answers"][None]["text"] in reader.texts
    assert "The cellar is open" in reader.turns[0]["answers"][None]["text"]
    assert not reader.errors
    assert not [each for each in reader.page.button if each.label == "Try again"]
    assert len(groq.requests) == asked + 2, "something was asked twice"


def test_an_answer_that_nobody_can_make_is_explained_and_may_be_asked_for_again(reader, groq):
    groq.faults += [refuses(400), refuses(400)]
    (failed,) = reader.ask("When does the cellar close?").values()
    assert "nobody could answer" in failed["error"]
    assert any("nobody could answer" in error for error in reader.errors)
    reader.click("What each step found")
    assert any(text.startswith("passages were found, but nobody could answer") for text in reader.texts)
    groq.faults.clear()
    reader.click("Try again")
    assert not reader.errors
    assert reader.turns[-1]["answers"][None]["text"] in reader.texts


def test_a_long_name_of_a_document_leaves_its_page_to_be_read(reader):
    (answer,) = reader.ask("Is the cellar open at nine?").values()
    source, *_ = reader.page.pills(key=f"source-{answer['id']}").options
    assert source.endswith("…, page 1")


def test_an_explanation_of_another_release_than_the_answer_s_says_so(reader, town, tmp_path):
    (answer,) = reader.ask("Is the attic locked?").values()
    (tmp_path / "garden.md").write_text("# Garden\n\nThe garden is open to all from dawn to dusk.")
    serves = add_documents(town.space, "default", tmp_path, town.service.config)
    reader.click("What each step found")
    said = f"The answer is of release {answer['release_id']}. Release {serves.id} is explained, which serves now."
    assert said in reader.texts
