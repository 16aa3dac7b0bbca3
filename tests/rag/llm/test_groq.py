"""Groq's protocol as it goes wrong, on a real server."""

import re

import pytest

from rag.errors import LanguageModelUnavailable
from rag.llm.groq import GroqProvider
from rag.llm.language_model import Ask, Unanswered
from rag.llm.protocol import Completion, TooLarge, Transient
from tests.groq_server import answered, cuts, refuses, says, sends, serving, stalls, streams
from tests.rag.llm.conftest import prompt, streamed


def outcome(model, asked):
    return next(iter(model.provider.complete([asked])))[1]


def test_json_comes_in_one_piece_with_its_usage(server, groq_model):
    server.faults = [says('{"a": 1}')]
    got = outcome(groq_model(), prompt("hi", as_json=True))
    assert isinstance(got, Completion)
    assert (got.text, got.tokens_in, got.tokens_out) == ('{"a": 1}', server.tokens_in, server.tokens_out)
    assert server.requests[0]["response_format"] == {"type": "json_object"}
    assert "stream" not in server.requests[0]


def test_text_is_streamed_piece_by_piece_with_its_usage(server, groq_model):
    text = "An answer that is longer than one piece of the stream.\nOf two lines."
    server.faults = [says(text), says(text)]
    pieces, completion = streamed(groq_model().provider.stream(prompt("hi")))
    assert len(pieces) > 2 and "".join(pieces) == completion.text == text
    assert (completion.tokens_in, completion.tokens_out) == (server.tokens_in, server.tokens_out)


def test_the_default_model_thinks_little_and_another_is_told_nothing_of_thinking(server, groq_model):
    server.faults = [says("x"), says("x")]
    outcome(groq_model(), prompt("hi"))
    outcome(groq_model(model="llama-3.1-8b-instant"), prompt("hi"))
    assert server.requests[0]["reasoning_effort"] == "low"
    assert server.requests[1]["model"] == "llama-3.1-8b-instant"
    assert "reasoning_effort" not in server.requests[1]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refuses(503, "over capacity"), "503: over capacity"),
        (refuses(498, "flex capacity"), "498"),
        (stalls(1.5), "no answer within 0.5 s"),
        (cuts("The answer is"), "cut off"),
        (sends("<html>Bad gateway</html>"), "protocol|cut off"),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_what_may_pass_is_worth_another_attempt(server, groq_model, fault, said, as_json):
    server.faults = [fault]
    timeout_s = 0.5 if said.startswith("no answer") else 30
    got = outcome(groq_model(timeout_s=timeout_s), prompt("hi", as_json=as_json))
    assert isinstance(got, Transient)
    assert re.search(said, str(got)) or (as_json and "reached" in str(got))


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('{"error": {"message": "the model is overloaded"}}', "the model is overloaded"),
        ('{"choices": [', "broke off"),
        ('{"choices": null}', "broke off"),
        ("7", "broke off"),
        ('{"id": "1", "choices": []}', "cut off"),
    ],
)
def test_a_stream_that_goes_wrong_is_worth_another_attempt(server, groq_model, event, said):
    server.faults = [streams(event)]
    got = outcome(groq_model(), prompt("hi"))
    assert isinstance(got, Transient) and said in str(got) and got.unmetered


def test_a_server_that_is_not_there_is_worth_another_attempt():
    with serving() as closed:
        url = closed.url
    provider = GroqProvider("a-key", url, None, at_once=1, timeout_s=5, max_wait_s=5)
    (_, got), *_ = provider.complete([prompt("hi")])
    assert isinstance(got, Transient) and "cannot be reached" in str(got) and not got.unmetered


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ({"retry-after": "2"}, "Rate limit reached", 2.0),
        ({}, "on tokens per minute (TPM): Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s.", 4.77),
        ({}, "Please try again in 1m2.5s.", 62.5),
        ({}, "Rate limit reached", None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(server, groq_model, headers, message, wait_s):
    server.faults = [refuses(429, message, "rate_limit_exceeded", headers)]
    got = outcome(groq_model(), prompt("hi"))
    assert isinstance(got, Transient)
    assert got.wait_s == (pytest.approx(wait_s) if wait_s else None)


TOO_LARGE = "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 8052, please reduce"


@pytest.mark.parametrize("status", [413, 429])
def test_a_request_beyond_the_limit_is_told_from_one_that_came_too_soon(server, groq_model, status):
    server.faults = [refuses(status, TOO_LARGE, "rate_limit_exceeded")]
    got = outcome(groq_model(), prompt("hi"))
    assert isinstance(got, TooLarge) and got.limit == 6000


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refuses(401, "Invalid API Key", "invalid_api_key"), "RAGLOOP_GROQ_API_KEY"),
        (
            refuses(404, "The model does not exist", "model_not_found"),
            "no model openai/gpt-oss-20b.*synthesis.llm.model",
        ),
        (refuses(400, "decommissioned", "model_decommissioned"), "no model"),
        (refuses(400, "max_completion_tokens is wrong"), "max_completion_tokens is wrong"),
        (
            refuses(
                429, "on tokens per day (TPD): Limit 200000, Used 199990, Requested 90. Please try again in 7m12s."
            ),
            "quota for the day.*run it again in 7 min.*is kept",
        ),
        (refuses(429, "Rate limit reached", headers={"retry-after": "4000"}), "asks to wait 67 min"),
    ],
)
def test_what_will_not_pass_stops_the_run_with_one_line(server, groq_model, fault, said):
    server.faults = [fault]
    with pytest.raises(LanguageModelUnavailable, match=said) as stopped:
        groq_model().ask_all([Ask(prompt("hi"), str)], "asking")
    assert "\n" not in str(stopped.value)
    assert len(server.requests) == 1


def test_the_key_is_in_no_error(server, groq_model):
    server.faults = [refuses(401, "Invalid API Key a-key")]
    with pytest.raises(LanguageModelUnavailable) as stopped:
        groq_model().ask_all([Ask(prompt("hi"), str)], "asking")
    assert "a-key" not in str(stopped.value)


def test_the_limit_of_tokens_is_learned_from_the_headers(server, groq_model):
    server.headers = {"x-ratelimit-limit-tokens": "250", "x-ratelimit-limit-requests": "1000"}
    server.faults = [answered_with("x")]
    model = groq_model()
    small, large = prompt("hi"), prompt("hi", max_tokens=300)
    first, second = model.ask_all([Ask(small, str), Ask(large, str)], "asking")
    assert first == "x"
    assert isinstance(second, Unanswered) and second.too_large and "250 a minute" in second.reason
    assert len(server.requests) == 1


def answered_with(text):
    return lambda exchange, request: answered(exchange, request, text)
