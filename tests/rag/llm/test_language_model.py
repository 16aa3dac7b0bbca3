"""Attempts, the ledger and the bill, on a real server."""

import json
import time

import pytest

from rag.errors import LanguageModelUnavailable
from rag.llm.bill import Bill, cost_usd
from rag.llm.language_model import Ask, Unanswered
from rag.llm.protocol import Transient
from tests.groq_server import answered, cuts, refuses, says, sends, stalls
from tests.rag.llm.conftest import prompt


def asks(*texts, as_json=True):
    return [Ask(prompt(text, as_json), json.loads) for text in texts]


def echo(messages):
    return json.dumps({"asked": messages[-1]["content"]})


def adds_up(bill, server):
    return (bill.tokens_in, bill.tokens_out) == (server.tokens_in, server.tokens_out)


@pytest.fixture
def echoing(server):
    server.write = echo
    return server


def test_answers_come_in_the_order_of_the_prompts_and_the_bill_adds_up(echoing, groq_model):
    model = groq_model(at_once=4)
    names = [f"prompt {i}" for i in range(9)]
    assert [answer["asked"] for answer in model.ask_all(asks(*names), "asking")] == names
    assert (model.bill.prompts, model.bill.answered, model.bill.requests, model.bill.retries) == (9, 9, 9, 0)
    assert adds_up(model.bill, echoing)


def test_a_prompt_answered_once_is_never_sent_again(echoing, groq_model):
    first, second = groq_model(), groq_model()
    first.ask_all(asks("one", "two"), "asking")
    assert [answer["asked"] for answer in second.ask_all(asks("one", "two", "three"), "asking")] == [
        "one",
        "two",
        "three",
    ]
    assert len(echoing.requests) == 3
    assert (second.bill.prompts, second.bill.reused) == (3, 2)
    assert adds_up(second.bill, echoing)


def test_another_temperature_model_or_wording_is_another_prompt(echoing, groq_model):
    groq_model().ask_all(asks("one"), "asking")
    groq_model(model="other").ask_all(asks("one"), "asking")
    groq_model().ask_all([Ask(prompt("one", True, max_tokens=99), json.loads)], "asking")
    assert len(echoing.requests) == 3


def test_equal_prompts_are_sent_once(echoing, groq_model):
    model = groq_model()
    answers = model.ask_all(asks("one", "one", "two", "one"), "asking")
    assert [answer["asked"] for answer in answers] == ["one", "one", "two", "one"]
    assert len(echoing.requests) == 2
    assert (model.bill.answered, model.bill.reused) == (2, 0)


FAULTS = {
    "rate limit": refuses(429, "Rate limit reached", headers={"retry-after": "0.2"}),
    "server error": refuses(500, "oops"),
    "timeout": stalls(1.2),
    "malformed": says("Sure! Here is your JSON: {"),
    "truncated": says('{"asked": "cut', finish="length"),
    "truncated though it parses": says("{}", finish="length"),
    "no protocol": sends("<html></html>"),
    "no choice": sends('{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}'),
    "half a body": cuts(""),
    "the model's own JSON error": refuses(400, "Failed to generate JSON", "json_validate_failed"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_asked_again_and_counted(echoing, groq_model, fault):
    echoing.faults = [fault]
    model = groq_model(timeout_s=0.6 if fault is FAULTS["timeout"] else 30)
    assert model.ask_all(asks("one"), "asking") == [{"asked": "one"}]
    assert (model.bill.requests, model.bill.retries, model.bill.given_up) == (2, 1, 0)
    assert adds_up(model.bill, echoing)


def test_an_answer_that_was_cut_short_may_be_longer_the_next_time(echoing, groq_model):
    echoing.faults = [says("{", finish="length")] * 2
    model = groq_model(max_tokens=250)
    assert model.ask_all(asks("one"), "asking") == [{"asked": "one"}]
    assert [request["max_completion_tokens"] for request in echoing.requests] == [100, 200, 250]
    assert groq_model(max_tokens=250).ask_all(asks("one"), "asking") == [{"asked": "one"}]
    assert len(echoing.requests) == 3


def test_a_stream_cut_in_the_middle_is_asked_again_and_said_to_be_unmetered(echoing, groq_model):
    echoing.faults = [cuts("half an ans")]
    model = groq_model()
    assert model.ask_all(asks("one", as_json=False), "asking") == [{"asked": "one"}]
    assert (model.bill.requests, model.bill.unmetered) == (2, 1)


def test_an_answer_that_somebody_watches_is_streamed_and_billed(echoing, groq_model):
    model = groq_model()
    assert "".join(model.stream(prompt("one"))) == '{"asked": "one"}'
    assert model.bill.requests == 1 and adds_up(model.bill, echoing)
    echoing.faults = [cuts("half")]
    with pytest.raises(Transient):
        list(model.stream(prompt("two")))
    assert (model.bill.requests, model.bill.unmetered) == (2, 1)


def test_what_the_provider_asks_to_wait_is_waited(echoing, groq_model):
    echoing.faults = [refuses(429, "Rate limit reached", headers={"retry-after": "0.7"})]
    model, begun = groq_model(), time.monotonic()
    model.ask_all(asks("one"), "asking")
    assert time.monotonic() - begun >= 0.7
    assert 0 < model.bill.waited_s <= 0.71


def test_a_prompt_without_a_usable_answer_is_given_up_alone(echoing, groq_model):
    echoing.faults = [says("no"), says("no"), says("no")]
    model = groq_model(attempts=3, at_once=1)
    first, second = model.ask_all(asks("one", "two")[:1], "asking") + model.ask_all(asks("two"), "asking")
    assert isinstance(first, Unanswered) and not first.too_large
    assert second == {"asked": "two"}
    assert (model.bill.given_up, model.bill.answered, model.bill.requests) == (1, 1, 4)
    assert adds_up(model.bill, echoing)


def test_what_was_given_up_for_its_answers_is_not_paid_for_again(echoing, groq_model):
    echoing.faults = [says("no"), says("no")]
    groq_model(attempts=2).ask_all(asks("one"), "asking")
    again = groq_model(attempts=2)
    assert isinstance(again.ask_all(asks("one"), "asking")[0], Unanswered)
    assert len(echoing.requests) == 2
    assert again.bill.given_up == 1 and adds_up(again.bill, echoing)


def test_a_provider_out_of_reach_stops_the_run_and_what_was_answered_stays(echoing, groq_model):
    model = groq_model(attempts=2)
    model.ask_all(asks("one"), "asking")
    echoing.faults = [refuses(503, "over capacity")] * 20
    with pytest.raises(LanguageModelUnavailable, match="3 prompts in a row.*503: over capacity.*kept"):
        model.ask_all(asks(*(f"more {i}" for i in range(9))), "asking")
    assert len(echoing.requests) <= 1 + 2 * 9
    echoing.faults = []
    n_before = len(echoing.requests)
    resumed = groq_model(attempts=2)
    assert resumed.ask_all(asks("one", "more 0"), "asking") == [{"asked": "one"}, {"asked": "more 0"}]
    assert len(echoing.requests) == n_before + 1
    assert adds_up(resumed.bill, echoing)


def test_a_refused_key_stops_the_run_though_the_answers_beside_it_are_kept(echoing, groq_model):
    def refuses_two(exchange, request):
        (refuses(401) if request["messages"][-1]["content"] == "two" else answered)(exchange, request)

    echoing.faults = [refuses_two] * 4
    with pytest.raises(LanguageModelUnavailable, match="key"):
        groq_model(at_once=4).ask_all(asks("one", "two", "three", "four"), "asking")
    n_before, echoing.faults = len(echoing.requests), []
    assert len(groq_model().ask_all(asks("one", "two", "three", "four"), "asking")) == 4
    assert len(echoing.requests) == n_before + 1


def test_a_model_that_never_answers_usably_stops_the_run_early(echoing, groq_model):
    echoing.write = lambda messages: "gibberish"
    with pytest.raises(LanguageModelUnavailable, match="none of 8 prompts.*choose another model"):
        groq_model(attempts=2).ask_all(asks(*(f"prompt {i}" for i in range(40))), "asking")
    assert len(echoing.requests) <= 80


def test_the_cost_follows_the_price_table_and_the_config_overrides_it():
    bill = Bill(tokens_in=2_000_000, tokens_out=1_000_000)
    assert cost_usd("groq", "openai/gpt-oss-20b", bill, {}) == pytest.approx(2 * 0.075 + 0.30)
    assert cost_usd("groq", "openai/gpt-oss-20b", bill, {"openai/gpt-oss-20b": (1.0, 2.0)}) == pytest.approx(4.0)
    assert cost_usd("groq", "some-new-model", bill, {}) is None
    assert cost_usd("local", "some-model", bill, {}) == 0.0


def test_the_ledger_shows_no_text_on_the_disk(echoing, groq_model, tmp_path):
    groq_model().ask_all(asks("a tell-tale question"), "asking")
    files = [path for path in (tmp_path / "ledger").rglob("*") if path.is_file()]
    assert files
    assert not any(b"tell-tale" in path.read_bytes() for path in files)


def test_what_is_forgotten_with_a_document_is_asked_again(echoing, groq_model, ledger):
    about = {"one": ("d1",), "both": ("d1", "d2"), "other": ("d2",), "nobody": ()}
    all_asks = [Ask(prompt(text, True), json.loads, documents) for text, documents in about.items()]
    groq_model().ask_all(all_asks, "asking")
    assert ledger.forget({"d1"}) == 3
    again = groq_model()
    again.ask_all(all_asks, "asking")
    assert (again.bill.reused, len(echoing.requests)) == (1, 7)
    assert ledger.forget({"d3"}) == 1
