"""How freely and how long whoever draws words speaks, as a question has it: what a model is sent, and says."""

import pytest
from pydantic import ValidationError

from rag.answering.answer import Question
from rag.answering.closed_book import ClosedBookGenerator
from rag.answering.sampling import MOST_NEW_TOKENS, Sampling
from rag.chat.model import ChatModel
from rag.config import AnsweringConfig, AnswerModelConfig, ChatGenerationConfig
from tests.groq_server import says
from tests.rag.answering.requests import BREAD, request_of
from tests.rag.answering.shop import engines_of
from tests.rag.chat.tiny import KNOWN, save_tiny_chat

OPENS, FERRY = KNOWN
PATIENT = {"first_piece_s": 30, "gap_s": 30}
WILD, NARROW = Sampling(temperature=2), Sampling(temperature=2, top_p=0.01)


@pytest.fixture
def asking(space, groq):
    """Ask an engine that Groq answers for; returns the answer and what was sent for it, if anything was."""
    with engines_of(space, groq) as engines:

        def ask(text=OPENS, **sampling):
            sent = len(groq.requests)
            answer = engines.of("default").ask(Question(text=text, sampling=Sampling(**sampling)))
            return answer, groq.requests[sent:]

        yield ask


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A chat model that takes the likeliest words unless told otherwise."""
    model = ChatModel.load(save_tiny_chat(tmp_path_factory.mktemp("tiny")))
    return ClosedBookGenerator("c", model, ChatGenerationConfig(max_new_tokens=24), AnsweringConfig(**PATIENT))


def said(generator, sampling):
    speaking, pieces = generator.generate(request_of(BREAD, question=OPENS, sampling=sampling)), []
    try:
        while True:
            pieces.append(next(speaking))
    except StopIteration as end:
        return "".join(pieces), end.value


def test_groq_is_sent_what_the_question_says_and_as_configured_what_it_does_not(asking):
    _, (plain,) = asking()
    assert (plain["temperature"], plain["max_completion_tokens"]) == (0.2, 512)
    assert "top_p" not in plain
    _, (told,) = asking(temperature=1.5, top_p=0.4, max_new_tokens=33)
    assert (told["temperature"], told["top_p"], told["max_completion_tokens"]) == (1.5, 0.4, 33)
    _, (cold,) = asking(temperature=0)
    assert (cold["temperature"], cold["max_completion_tokens"]) == (0, 512)


def test_an_answer_is_remembered_for_questions_of_the_same_settings_alone(asking):
    first, _ = asking(FERRY, temperature=1.0)
    again, sent = asking(FERRY, temperature=1.0)
    assert (again.cached, again.text, sent) == (True, first.text, [])
    for other in ({}, {"temperature": 1.1}, {"temperature": 1.0, "top_p": 0.5}, {"max_new_tokens": 64}):
        answer, sent = asking(FERRY, **other)
        assert (answer.cached, len(sent)) == (False, 1)


def test_too_few_tokens_for_a_word_are_no_failure_of_the_one_who_was_asked(asking, groq):
    for n_tokens in range(1, 6):
        groq.faults = [says("", finish="length")]
        answer, sent = asking(max_new_tokens=n_tokens)
        assert len(sent) == 1
        assert answer.generator == "extractive"
        assert "allow more tokens" in answer.silent[0].reason
    answer, _ = asking()
    assert answer.generator.startswith("groq/")


def test_the_extractive_generator_answers_the_same_whatever_is_set(space):
    with engines_of(space) as engines:
        engine = engines.of("default")
        plain = engine.ask(Question(text=OPENS))
        told = engine.ask(Question(text=OPENS, sampling=Sampling(temperature=2, max_new_tokens=1)))
        assert not engines.may_draw(engine.release)
    assert (told.text, told.cut, told.generator) == (plain.text, False, "extractive")


def test_who_may_draw_words_is_known(space, groq):
    with engines_of(space, groq) as engines:
        assert engines.may_draw(engines.of("default").release)
    with engines_of(space, groq, generators=("extractive",)) as engines:
        assert not engines.may_draw(engines.of("default").release)


def test_the_chat_model_takes_the_likeliest_words_unless_told_to_draw_them(own):
    likeliest = said(own, Sampling())[0]
    assert likeliest == KNOWN[OPENS]
    assert said(own, Sampling(temperature=0))[0] == likeliest
    assert said(own, Sampling(top_p=0.5))[0] == likeliest, "a share alone draws nothing"
    assert {said(own, WILD)[0] for _ in range(3)} != {likeliest}
    assert said(own, NARROW)[0] == likeliest, "the likeliest word alone has that share"


def test_the_chat_model_says_no_more_than_was_asked_for(own):
    text, ending = said(own, Sampling(max_new_tokens=3))
    assert ending.cut
    assert KNOWN[OPENS].startswith(text) and text != KNOWN[OPENS]
    longest, ending = said(own, Sampling(max_new_tokens=MOST_NEW_TOKENS))
    assert (longest, ending.cut) == (KNOWN[OPENS], False), "as much as the model has room for"


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.3, top_p=0.2, max_new_tokens=9)])
def test_what_is_not_said_is_as_configured(sampling):
    model = sampling.of_model(AnswerModelConfig(temperature=0.7, top_p=0.9))
    chat = sampling.of_chat_model(ChatGenerationConfig(do_sample=True, temperature=0.7, top_p=0.9))
    assert chat.do_sample
    for config in (model, chat):
        assert config.temperature == (sampling.temperature or 0.7)
        assert config.top_p == (sampling.top_p or 0.9)
    assert model.max_tokens == (sampling.max_new_tokens or 512)
    assert chat.max_new_tokens == (sampling.max_new_tokens or 128)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"temperature": "1"},
        {"top_p": 0},
        {"top_p": 1.1},
        {"max_new_tokens": 0},
        {"max_new_tokens": MOST_NEW_TOKENS + 1},
        {"max_new_tokens": 1.5},
        {"max_new_tokens": True},
        {"temprature": 1},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(ValidationError):
        Sampling(**wrong)
