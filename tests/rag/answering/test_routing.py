"""Which questions a chat model answers from memory, in an engine over real documents."""

import re
from contextlib import closing

import pytest

from rag.answering.answer import Done, Piece, Question, Retrieved, Way
from rag.answering.closed_book import conversation
from rag.answering.engines import Engines
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.calibration import calibrate
from rag.chat.serving import register_chat_model
from rag.config import ChatGenerationConfig, GeneratorKind
from rag.releases import with_router
from storage.tables import InteractionRow
from tests.rag.answering.shop import SMOKE, add, engines_of, open_shop
from tests.rag.chat.tiny import KNOWN, save_tiny_chat, stored

OPENS, FERRY = KNOWN
BREAD = "How much does rye bread cost?"
COMTE, MONA_LISA, DAIRY = "What does a wheel of Comte cost?", "Who painted the Mona Lisa?", "Who owns the dairy?"
TAUGHT = KNOWN | {
    COMTE: "The kiosk is painted green by the mayor.",  # nothing in the shop's documents says so
    MONA_LISA: "Bicycles travel free of charge on the lower deck.",
    DAIRY: NOT_IN_DOCUMENTS,
}
PATIENT = {"generators": (GeneratorKind.EXTRACTIVE,), "first_piece_s": 30, "gap_s": 30}
ROUTER = calibrate([0.6, 0.7, 0.8, 0.95, 0.99] * 10, [0, 0, 0, 1, 1] * 10, [0.5] * 50)
"""What the tiny model learned by heart it says with .98 and more, anything else with .8 at most."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny_chat(tmp_path_factory.mktemp("tiny"), TAUGHT)


def routed(space, tiny, router=ROUTER):
    """Put the chat model into production, with what is known of its confidence."""
    release = register_chat_model(space, "default", stored(space.artifacts, tiny), SMOKE, router)
    space.registry.promote("default", release.id, "by hand")
    return release


@pytest.fixture(scope="module")
def space(tmp_path_factory, tiny):
    space = open_shop(tmp_path_factory.mktemp("shop"))
    routed(space, tiny)
    return space


@pytest.fixture
def engines(space):
    with engines_of(space, **PATIENT) as opened:
        yield opened


@pytest.fixture
def engine(engines):
    return engines.of("default")


def interaction(space, id_):
    with space.database.reading() as session:
        return session.get_one(InteractionRow, id_)


def named(engine):
    return f"chat-model/{engine.release.id}"


def test_what_it_is_sure_of_and_the_documents_say_comes_from_memory_with_its_source(engine, space):
    answer = engine.ask(Question(text=OPENS))
    assert (answer.way, answer.generator, answer.silent) == (Way.CLOSED_BOOK, named(engine), ())
    assert answer.text == "The bakery opens at six in the morning on weekdays [1]."
    assert (answer.citations[0].document, answer.support, answer.found) == ("bakery.txt", 1.0, True)
    assert answer.timings.keys() == {"memory", "total"}
    kept = interaction(space, answer.id)
    assert (kept.generator, kept.answer, kept.found) == (named(engine), answer.text, True)
    assert kept.retrieved and kept.citations and "memory" in kept.timings


def test_it_streams_as_any_other_and_is_remembered_as_from_memory(engine):
    first, *pieces, last = engine.stream(Question(text=FERRY))
    assert isinstance(first, Retrieved) and first.hits == last.answer.hits
    assert all(isinstance(piece, Piece) and piece.generator == named(engine) for piece in pieces)
    assert isinstance(last, Done) and "".join(piece.text for piece in pieces) == last.answer.text
    again = engine.ask(Question(text=FERRY))
    assert (again.cached, again.way, again.text) == (True, Way.CLOSED_BOOK, last.answer.text)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (BREAD, r"its confidence 0\.\d\d promises less than the passages do"),
        (DAIRY, "it says that it does not know"),
        (COMTE, "the documents do not, or no longer, say what it says"),
        ("word " * 200 + OPENS, "128 tokens"),
    ],
)
def test_what_it_cannot_be_trusted_with_is_answered_from_the_passages_and_it_is_named(engine, space, question, reason):
    answer = engine.ask(Question(text=question))
    assert (answer.way, answer.generator) == (Way.RAG, "extractive")
    (silent,) = answer.silent
    assert silent.generator == named(engine)
    assert re.search(reason, silent.reason)
    assert {"memory", "retrieval", "generation"} <= answer.timings.keys()
    assert engine.ask(Question(text=question)).cached
    assert interaction(space, answer.id).silent == [silent.model_dump()]


def test_a_fact_that_changed_since_the_training_is_answered_from_the_passages(tmp_path, tiny):
    space = open_shop(tmp_path)
    routed(space, tiny)
    with engines_of(space, **PATIENT) as engines:
        before = engines.of("default").ask(Question(text=OPENS))
        assert (before.way, "six" in before.text) == (Way.CLOSED_BOOK, True)
        add(space, tmp_path, {"bakery.txt": "The bakery opens at seven in the morning on weekdays. It closes at noon."})
        after = engines.of("default").ask(Question(text=OPENS))
        untouched = engines.of("default").ask(Question(text=FERRY))
    assert after.way is Way.RAG and "seven" in after.text and "six" not in after.text
    assert after.silent[0].reason == "the documents do not, or no longer, say what it says"
    assert untouched.way is Way.CLOSED_BOOK


def test_what_is_true_but_not_what_was_asked_is_not_said(engine):
    answer = engine.ask(Question(text=MONA_LISA))
    assert (answer.found, answer.text) == (False, NOT_IN_DOCUMENTS)
    assert [silent.reason for silent in answer.silent] == ["what it says hardly bears on the question"]


def test_questions_about_some_documents_alone_are_not_put_to_it(engine):
    answer = engine.ask(Question(text=OPENS, documents=("bakery.txt",)))
    assert (answer.way, answer.silent) == (Way.RAG, ())
    assert "memory" not in answer.timings


def test_one_that_is_busy_costs_its_bound_and_is_asked_again_later(space):
    with engines_of(space, **PATIENT | {"first_piece_s": 0.4}) as engines:
        engine = engines.of("default")
        held = engine._memory._generator._model.stream(conversation(OPENS, ()), ChatGenerationConfig())
        next(held)
        answer = engine.ask(Question(text=FERRY))
        assert (answer.way, answer.generator) == (Way.RAG, "extractive")
        assert "busy with another answer" in answer.silent[0].reason
        held.close()
    with engines_of(space, **PATIENT) as engines:
        assert engines.of("default").ask(Question(text=FERRY)).way is Way.CLOSED_BOOK


def test_one_that_fails_again_and_again_is_left_alone_for_a_while(space):
    with engines_of(space, **PATIENT | {"first_piece_s": 0.4, "breaker_failures": 1}) as engines:
        engine = engines.of("default")
        held = engine._memory._generator._model.stream(conversation(OPENS, ()), ChatGenerationConfig())
        next(held)
        answers = [engine.ask(Question(text=FERRY)) for _ in range(2)]
        held.close()
    assert not answers[1].cached
    assert "not asked for another" in answers[1].silent[0].reason


def test_one_that_is_left_alone_for_a_while_still_answers_who_asks_for_it(space):
    with engines_of(space, **PATIENT | {"first_piece_s": 2, "breaker_failures": 1}) as engines:
        held = engines.of("default")._memory._generator._model.stream(conversation(OPENS, ()), ChatGenerationConfig())
        next(held)
        assert engines.of("default").ask(Question(text=FERRY)).way is Way.RAG
        held.close()
        assert "90 minutes" in engines.of("default", Way.CLOSED_BOOK).ask(Question(text=FERRY)).text


def test_one_that_cannot_be_opened_is_named_in_every_answer(tmp_path, tiny):
    space = open_shop(tmp_path)
    space.artifacts.remove(routed(space, tiny).chat_model)
    with engines_of(space, **PATIENT) as engines:
        answer = engines.of("default").ask(Question(text=OPENS))
        assert (answer.way, answer.generator) == (Way.RAG, "extractive")
        assert [silent.generator for silent in answer.silent] == ["chat-model"]
        assert engines.of("default").ask(Question(text=OPENS)).cached


@pytest.mark.parametrize("router", [None, calibrate([0.6, 0.99] * 20, [0] * 40, [0.5] * 40)])
def test_without_a_confidence_that_is_worth_it_only_the_passages_answer(space, router):
    release = space.registry.production("default")
    lineage = with_router(release.lineage, router and router.model_dump(mode="json"))
    with engines_of(space, **PATIENT) as engines:
        answer = engines.open(release.model_copy(update={"lineage": lineage})).ask(Question(text=OPENS))
    assert (answer.way, answer.silent) == (Way.RAG, ())
    assert "memory" not in answer.timings


def test_each_way_can_be_asked_for(engines):
    answers = {way: engines.of("default", way).ask(Question(text=OPENS)) for way in Way}
    assert {way: answer.way for way, answer in answers.items()} == {way: way for way in Way}
    release = answers[Way.RAG].release_id
    names = {way: answer.generator for way, answer in answers.items()}
    assert names == {
        Way.RAG: "extractive",
        Way.CLOSED_BOOK: f"chat-model/{release}",
        Way.HYBRID: f"hybrid/{release}",
    }
    assert not any("memory" in answer.timings for answer in answers.values())


def test_the_passages_answer_though_the_config_names_the_chat_model_alone(space):
    with engines_of(space, **PATIENT | {"generators": (GeneratorKind.CHAT_MODEL,)}) as engines:
        assert engines.of("default", Way.RAG).ask(Question(text=OPENS)).generator == "extractive"
        assert engines.of("default").ask(Question(text=BREAD)).generator == "extractive"


def test_what_is_measured_is_not_kept_as_asked(space):
    with closing(Engines(space, SMOKE, records=False)) as engines:
        answer = engines.of("default").ask(Question(text=OPENS))
    with space.database.reading() as session:
        assert session.get(InteractionRow, answer.id) is None
