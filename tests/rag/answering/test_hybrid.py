"""A chat model that is given the best sentences of the passages."""

import pytest

from rag.answering.answer import Turn, Way
from rag.answering.closed_book import conversation
from rag.answering.extractive import ExtractiveGenerator
from rag.answering.generator import Unsuited
from rag.answering.hybrid import HybridGenerator, require_grounded
from rag.chat.example import Message
from rag.chat.model import ChatModel
from rag.config import AnsweringConfig, ChatGenerationConfig
from rag.errors import ConfigError
from tests.rag.answering.requests import BREAD, CHEESE, request_of
from tests.rag.chat.tiny import KNOWN, save_tiny_chat

OPENS = next(iter(KNOWN))
CONFIG = AnsweringConfig(first_piece_s=30, gap_s=30)
GENERATION = ChatGenerationConfig(max_new_tokens=24)
GIVEN = "With passages I say that the bakery opens at six."


@pytest.fixture(scope="module")
def ranked(encoder):
    """What is quoted of two passages, best first."""
    return [
        each.text for each in ExtractiveGenerator(encoder, CONFIG).ranked(request_of(CHEESE, BREAD, question=OPENS))
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory, ranked):
    """A model that says one thing to the bare question, and another if the best two sentences stand before it."""
    told = Message(role="user", content=OPENS, passages=tuple(ranked[:2]))
    known = KNOWN | {told.text: GIVEN}
    return ChatModel.load(save_tiny_chat(tmp_path_factory.mktemp("tiny"), known, steps=120))


def said(model, encoder, request, n_passages):
    own = HybridGenerator("chat-model/1", model, encoder, GENERATION, CONFIG, n_passages)
    pieces = []
    speaking = own.generate(request)
    try:
        while True:
            pieces.append(next(speaking))
    except StopIteration as end:
        return "".join(pieces), end.value


def test_it_answers_from_the_sentences_that_whoever_quotes_ranks_first(model, encoder, ranked):
    assert "six" in ranked[0] and len(ranked) == 4
    text, ending = said(model, encoder, request_of(CHEESE, BREAD, question=OPENS), 2)
    assert text == GIVEN
    assert not ending.cut and 0.5 < ending.confidence <= 1


def test_what_does_not_fit_is_left_out_from_the_end(model, encoder):
    long = f"Tin {'and tin ' * 60}is stacked behind the shed."
    request = request_of(CHEESE, BREAD, long, question=OPENS)
    assert long in [each.text for each in ExtractiveGenerator(encoder, CONFIG).ranked(request)]
    everything = said(model, encoder, request, 20)
    assert everything[0] and everything == said(model, encoder, request, 4)


def test_a_question_that_does_not_fit_with_one_sentence_is_passed_on(model, encoder):
    with pytest.raises(Unsuited, match="128 tokens"):
        said(model, encoder, request_of(BREAD, question="word " * 200), 2)


def test_passages_without_a_sentence_are_passed_on(model, encoder):
    with pytest.raises(Unsuited, match="no whole sentence"):
        said(model, encoder, request_of("# Contents", question=OPENS), 2)


def test_the_last_message_alone_has_passages():
    history = (Turn(role="user", content="Hello"), Turn(role="assistant", content="Yes [1]."))
    messages = conversation(OPENS, history, ["It opens at six."])
    assert [message.passages for message in messages] == [(), (), ("It opens at six.",)]
    assert messages[-1].content == OPENS


def test_its_way_is_told():
    assert HybridGenerator.way is Way.HYBRID


@pytest.mark.parametrize("facts", [{}, {"trained_on": {}}, {"trained_on": {"question": 9, "grounded": 0}}])
def test_a_model_that_never_learned_to_is_refused_with_the_remedy(facts):
    with pytest.raises(ConfigError, match="release 7 .* above 0 and train one with `ragloop chat train`"):
        require_grounded(facts, 7)


def test_one_that_learned_to_is_let_in():
    require_grounded({"trained_on": {"question": 9, "grounded": 3}}, 7)
