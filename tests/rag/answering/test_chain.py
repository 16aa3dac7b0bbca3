"""Who is heard when the one before goes wrong, with real servers that speak Groq's protocol."""

import re
from contextlib import ExitStack
from threading import Event, Thread

import pytest

from rag.answering.answer import Piece, Restarted, Silent
from rag.answering.breaker import BreakerState
from rag.answering.chain import Chain
from rag.answering.generator import GeneratorSilent
from rag.answering.models import AnsweringModel, ModelGenerator
from rag.answering.prompts import load_template
from rag.config import AnsweringConfig, AnswerModelConfig
from rag.errors import NoGenerator, UnsuitedQuestion
from rag.llm.groq import GroqProvider
from tests.groq_server import cuts, freezes, refuses, says, serving, stalls
from tests.rag.answering.requests import BREAD, CHEESE, request_of

PATIENT = AnsweringConfig(first_piece_s=30, gap_s=30, total_s=60, breaker_s=600)
QUICK = PATIENT.model_copy(update={"first_piece_s": 0.4})
"""For one that hangs."""
LLM = AnswerModelConfig(max_tokens=64)


@pytest.fixture
def servers():
    """The one that is asked first, and the one that stands in for it."""
    with serving() as first, serving() as second:
        yield first, second


@pytest.fixture
def chain_over():
    with ExitStack() as opened:

        def make(*servers, config=PATIENT, breakers=None, silent=(), before=()):
            generators = list(before)
            for name, server in zip(("first", "second"), servers, strict=False):
                provider = GroqProvider("a-key", server.url, None, 1, config.total_s, 300, read_s=30)
                model = AnsweringModel(provider, LLM)
                opened.callback(model.close)
                own = config if name == "first" else PATIENT
                generators.append(ModelGenerator(name, model, load_template("concise"), own))
            return Chain(generators, silent, config, breakers)

        yield make


def heard(chain, *passages):
    """Return all events, and what it came to."""
    events, speaking = [], chain.generate(request_of(*passages or (BREAD, CHEESE)))
    try:
        while True:
            events.append(next(speaking))
    except StopIteration as end:
        return events, end.value


def test_the_first_that_answers_is_heard_and_the_next_is_not_asked(servers, chain_over):
    events, spoken = heard(chain_over(*servers))
    assert all(isinstance(event, Piece) and event.generator == "first" for event in events)
    assert len(events) > 2
    assert "".join(event.text for event in events) == spoken.text
    assert spoken.text.startswith("The bakery opens at six in the morning on weekdays [1].")
    assert (spoken.generator, spoken.silent, spoken.cut) == ("first", (), False)
    assert not servers[1].requests


@pytest.mark.parametrize(
    ("fault", "config", "said"),
    [
        (refuses(500, "oops"), PATIENT, "Groq answers 500: oops"),
        (refuses(401), PATIENT, "refuses the key"),
        (refuses(429, "slow down", headers={"retry-after": "20"}), PATIENT, "429: slow down"),
        (says(" \n"), PATIENT, "answered with nothing"),
        (stalls(2.5), QUICK, "no word within 0.4 s"),
    ],
)
def test_one_that_does_not_answer_is_named_and_the_next_one_does(servers, chain_over, fault, config, said):
    servers[0].faults = [fault]
    events, spoken = heard(chain_over(*servers, config=config))
    assert spoken.generator == "second"
    assert [each.generator for each in spoken.silent] == ["first"]
    assert said in spoken.silent[0].reason
    assert [event.generator for event in events if isinstance(event, Piece) and event.text.strip()][0] == "second"


@pytest.mark.parametrize(
    ("fault", "config", "said"),
    [
        (cuts("The bakery never"), PATIENT, "cut off"),
        (freezes("The bakery never", 8), PATIENT.model_copy(update={"gap_s": 0.4}), "stopped in the middle"),
    ],
)
def test_an_answer_that_breaks_off_is_begun_anew_by_the_next_one(servers, chain_over, fault, config, said):
    servers[0].faults = [fault]
    events, spoken = heard(chain_over(*servers, config=config))
    restart = next(place for place, event in enumerate(events) if isinstance(event, Restarted))
    assert "".join(event.text for event in events[:restart]) == "The bakery never"
    assert said in events[restart].silent.reason
    assert "".join(event.text for event in events[restart + 1 :]) == spoken.text
    assert "never" not in spoken.text
    assert spoken.silent == (events[restart].silent,)


def test_an_answer_that_breaks_off_with_nobody_left_ends_with_an_error_that_names_all(servers, chain_over):
    first, _ = servers
    first.faults = [cuts("The bakery never")]
    speaking = chain_over(first, silent=[Silent(generator="local", reason="no model")]).generate(request_of(BREAD))
    assert isinstance(next(speaking), Piece)
    assert isinstance(next(speaking), Restarted)
    with pytest.raises(NoGenerator, match="local: no model; first: the answer was cut off.*extractive") as said:
        next(speaking)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("n_asked", "kind"), [(1, UnsuitedQuestion), (2, NoGenerator)])
def test_that_nobody_answers_is_for_the_question_alone_if_it_suits_none_that_was_asked(
    servers, chain_over, n_asked, kind
):
    servers[1].faults = [refuses(500)]
    chain = chain_over(*servers[:n_asked], config=PATIENT.model_copy(update={"prompt_tokens": 200}))
    with pytest.raises(NoGenerator, match="over 200") as said:
        list(chain.generate(request_of(BREAD, question="Why? " * 400)))
    assert type(said.value) is kind


def test_who_could_not_be_opened_is_named_in_every_answer(servers, chain_over):
    missing = Silent(generator="local", reason="no model")
    chain = chain_over(*servers, silent=[missing])
    assert heard(chain)[1].silent == (missing,)
    assert chain.unopened == (missing,)


def test_one_that_hangs_is_not_asked_by_the_next_question(servers, chain_over):
    servers[0].faults = [stalls(2.5)]
    chain = chain_over(*servers, config=QUICK)
    heard(chain)
    assert chain.breakers["first"].state is BreakerState.OPEN
    _, spoken = heard(chain)
    assert re.match("not asked for another [56]", spoken.silent[0].reason)
    assert "no word within" in spoken.silent[0].reason
    assert (len(servers[0].requests), len(servers[1].requests)) == (1, 2)


def test_one_that_fails_fast_is_asked_until_it_has_failed_often(servers, chain_over):
    servers[0].faults = [refuses(500)] * 9
    chain = chain_over(*servers)
    for _ in range(5):
        heard(chain)
    assert len(servers[0].requests) == PATIENT.breaker_failures


def test_questions_that_one_is_not_suited_for_keep_no_others_from_it(servers, chain_over):
    short = PATIENT.model_copy(update={"prompt_tokens": 450})
    chain = chain_over(*servers, config=short)
    for _ in range(PATIENT.breaker_failures + 1):
        _, spoken = heard(chain, BREAD * 40)
        assert "tokens" in spoken.silent[0].reason and spoken.generator == "second"
    _, spoken = heard(chain)
    assert spoken.generator == "first"


def test_one_that_works_again_is_asked_again(servers, chain_over):
    servers[0].faults = [refuses(401)]
    chain = chain_over(*servers, config=PATIENT.model_copy(update={"breaker_s": 0.05}))
    assert heard(chain)[1].generator == "second"
    Event().wait(0.1)
    assert chain.breakers["first"].state is BreakerState.HALF_OPEN
    assert heard(chain)[1].generator == "first"
    assert chain.breakers["first"].state is BreakerState.CLOSED


def test_chains_that_share_breakers_learn_from_each_other(servers, chain_over):
    servers[0].faults = [refuses(401)]
    breakers = {}
    heard(chain_over(*servers, breakers=breakers))
    assert heard(chain_over(*servers, breakers=breakers))[1].generator == "second"
    assert len(servers[0].requests) == 1


def test_a_reader_who_goes_away_is_no_failure_of_the_generator(servers, chain_over):
    chain = chain_over(*servers, config=PATIENT.model_copy(update={"breaker_failures": 1}))
    speaking = chain.generate(request_of(BREAD))
    next(speaking)
    speaking.close()
    assert chain.breakers["first"].state is BreakerState.CLOSED
    assert heard(chain)[1].generator == "first"


def test_a_generator_with_a_bug_is_passed_over(servers, chain_over):
    class Broken:
        name = "broken"

        def generate(self, request):
            yield "The "
            raise KeyError("bug")

        def close(self):
            pass

    _, spoken = heard(chain_over(servers[0], before=[Broken()]))
    assert spoken.generator == "first"
    assert spoken.silent[0].reason == "it failed (KeyError): see the log"


def test_an_answer_that_reached_its_longest_says_so(servers, chain_over):
    servers[0].faults = [says("The bakery opens at", finish="length")]
    assert heard(chain_over(*servers))[1].cut


def test_many_ask_at_once_and_each_gets_an_answer_of_its_own(servers, chain_over):
    chain = chain_over(*servers)
    said = {}

    def ask(n):
        said[n] = heard(chain, f"The shop number {n} is open on every day of the year.")[1].text

    threads = [Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert said == {n: f"The shop number {n} is open on every day of the year [1]." for n in range(8)}


def test_what_was_asked_is_counted_and_the_minutes_limit_is_kept_without_waiting(servers):
    first, _ = servers
    first.faults = [says("Six [1]."), cuts("Half")]
    model = AnsweringModel(
        GroqProvider("a-key", first.url, None, 1, 5, 300), LLM.model_copy(update={"requests_per_minute": 2})
    )
    generator = ModelGenerator("groq", model, load_template("cited"), PATIENT)
    for wanted in ("Six [1].", None, None):
        try:
            assert "".join(generator.generate(request_of(BREAD))) == wanted
        except GeneratorSilent as silent:
            reason = str(silent)
    assert "no more this minute" in reason
    assert len(first.requests) == 2
    bill = model.bill
    assert (bill.prompts, bill.requests, bill.answered, bill.unmetered) == (3, 2, 1, 1)
    assert (bill.tokens_in, bill.tokens_out) == (first.tokens_in, first.tokens_out)
    model.close()
