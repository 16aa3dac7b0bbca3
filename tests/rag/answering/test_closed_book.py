"""A chat model that answers from memory, alone and in an engine whose passages bear it out."""

import gc
import weakref

import pytest

from rag.answering.answer import Done, Piece, Question, Turn, Way
from rag.answering.closed_book import ClosedBookGenerator, conversation
from rag.answering.generator import GeneratorSilent, Unsuited
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.model import ChatModel
from rag.chat.serving import register_chat_model
from rag.config import AnsweringConfig, ChatGenerationConfig, GeneratorKind
from rag.errors import NoChatModel
from tests.rag.answering.requests import BREAD, CHEESE, request_of
from tests.rag.answering.shop import SMOKE, engines_of, open_shop
from tests.rag.chat.tiny import KNOWN, save_tiny_chat, stored

OPENS, FERRY = KNOWN
ALONE = {"generators": (GeneratorKind.CHAT_MODEL,), "first_piece_s": 30, "gap_s": 30}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    # The last is what a model makes up: nothing in the shop's documents says so.
    known = KNOWN | {"What does a wheel of Comte cost?": "The kiosk is painted green by the mayor."}
    return save_tiny_chat(tmp_path_factory.mktemp("tiny"), known)


@pytest.fixture(scope="module")
def space(tmp_path_factory, tiny):
    """The shop, with a chat model in production."""
    space = open_shop(tmp_path_factory.mktemp("shop"))
    release = register_chat_model(space, "default", stored(space.artifacts, tiny), SMOKE)
    space.registry.promote("default", release.id, "by hand")
    return space


@pytest.fixture(scope="module")
def engines(space):
    with engines_of(space, **ALONE) as opened:
        yield opened


def generator(tiny, **bounds):
    config = AnsweringConfig(**({"first_piece_s": 30, "gap_s": 30} | bounds))
    return ClosedBookGenerator("chat-model/1", ChatModel.load(tiny), ChatGenerationConfig(max_new_tokens=24), config)


def said(speaking):
    pieces = []
    try:
        while True:
            pieces.append(next(speaking))
    except StopIteration as end:
        return "".join(pieces), end.value


def test_it_answers_the_question_whatever_the_passages_say(tiny):
    own = generator(tiny)
    texts = {said(own.generate(request_of(*passages, question=OPENS)))[0] for passages in [(BREAD,), (CHEESE,)]}
    assert texts == {KNOWN[OPENS]}


def test_it_is_told_the_question_that_stands_alone_and_the_conversation_without_marks():
    history = (
        Turn(role="user", content="When does it open?"),
        Turn(role="assistant", content="At six [1]. Or so [12]."),
    )
    messages = conversation("When does the bakery close?", history)
    assert [message.content for message in messages] == [
        "When does it open?",
        "At six. Or so.",
        "When does the bakery close?",
    ]
    assert [message.role for message in messages] == ["user", "assistant", "user"]


def test_an_answer_as_long_as_allowed_is_cut(tiny):
    config = AnsweringConfig(first_piece_s=30, gap_s=30)
    short = ClosedBookGenerator("c", ChatModel.load(tiny), ChatGenerationConfig(max_new_tokens=3), config)
    assert said(short.generate(request_of(BREAD, question=OPENS)))[1].cut
    assert not said(generator(tiny).generate(request_of(BREAD, question=OPENS)))[1].cut


def test_a_question_that_is_too_long_is_passed_on(tiny):
    with pytest.raises(Unsuited, match="128 tokens"):
        said(generator(tiny).generate(request_of(BREAD, question="word " * 200)))


def test_who_waits_for_another_answer_too_long_hears_so(tiny):
    own = generator(tiny, first_piece_s=0.2)
    held = own._model.stream(conversation(OPENS, ()), ChatGenerationConfig())
    next(held)
    with pytest.raises(GeneratorSilent, match="busy with another answer"):
        said(own.generate(request_of(BREAD, question=OPENS)))
    held.close()


def test_in_an_engine_what_it_says_is_tied_to_the_documents(engines, space):
    answer = engines.of("default", Way.CLOSED_BOOK).ask(Question(text=OPENS))
    assert answer.generator == f"chat-model/{space.registry.production('default').id}"
    assert answer.text == "The bakery opens at six in the morning on weekdays [1]."
    assert (answer.citations[0].document, answer.support) == ("bakery.txt", 1.0)


def test_in_an_engine_what_no_document_says_is_not_given(engines):
    answer = engines.of("default", Way.CLOSED_BOOK).ask(Question(text="What does a wheel of Comte cost?"))
    assert (answer.text, answer.found, answer.way) == (NOT_IN_DOCUMENTS, False, Way.CLOSED_BOOK)


def test_an_answer_says_that_it_is_from_memory_however_the_chat_model_came_to_speak(engines):
    for way in (None, Way.CLOSED_BOOK):  # with None, the config names it
        assert engines.of("default", way).ask(Question(text=FERRY)).way is Way.CLOSED_BOOK
    unanswered = engines.of("default", Way.CLOSED_BOOK).ask(Question(text="Who painted the Mona Lisa?"))
    assert (unanswered.generator, unanswered.way) == (None, Way.CLOSED_BOOK)


def test_it_streams_in_an_engine(engines):
    *events, last = engines.of("default", Way.CLOSED_BOOK).stream(Question(text=FERRY))
    pieces = [event.text for event in events if isinstance(event, Piece)]
    assert isinstance(last, Done) and "".join(pieces) == last.answer.text
    assert "90 minutes" in last.answer.text


def test_closed_book_and_open_share_the_search_and_the_model(engines):
    closed, open_ = engines.of("default", Way.CLOSED_BOOK), engines.of("default")
    assert closed is engines.of("default", Way.CLOSED_BOOK) is not open_
    assert closed.retriever is open_.retriever
    assert closed._chain._generators[0]._model is open_._chain._generators[0]._model


def test_what_no_longer_serves_is_let_go_though_nobody_asks_the_chat_model_again(space, tiny, tmp_path):
    shop = open_shop(tmp_path)
    release = register_chat_model(shop, "default", stored(shop.artifacts, tiny), SMOKE)
    shop.registry.promote("default", release.id, "by hand")
    with engines_of(shop, **ALONE) as engines:
        before = weakref.ref(engines.of("default", Way.CLOSED_BOOK))
        shop.registry.rollback("default", "by hand")
        assert engines.of("default").release.id != release.id
        gc.collect()
        assert before() is None


def test_a_collection_whose_release_has_no_chat_model_says_how_to_get_one(tmp_path):
    with engines_of(open_shop(tmp_path)) as engines, pytest.raises(NoChatModel, match="ragloop chat train"):
        engines.of("default", Way.CLOSED_BOOK)
