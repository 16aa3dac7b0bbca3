"""Streams whose generator breaks off, and whose readers are slow or leave, with a Groq-speaking server behind."""

import json
import socket
import threading
import time
from dataclasses import replace

import openai
import pytest
from pydantic import SecretStr
from sqlmodel import select

from rag.config import AnsweringConfig, GeneratorKind
from storage.tables import InteractionRow
from tests.app.api.conftest import client, serving
from tests.app.api.test_ask import QUESTION, events_of
from tests.groq_server import answered, chunk, cuts, refuses, says
from tests.groq_server import serving as groq_serving

ANSWER = "The lung of the Alder stands at least 10 centimetres from any wall [1]."
CHAT = {"model": "ragloop", "messages": [{"role": "user", "content": QUESTION}]}


@pytest.fixture(scope="module")
def groq():
    with groq_serving() as running:
        yield running


@pytest.fixture(scope="module")
def asking_groq(space, groq):
    """The same home, with a key for Groq."""
    known = {"groq_api_key": SecretStr("k"), "groq_base_url": groq.url}
    return replace(space, settings=space.settings.model_copy(update=known))


def answering(space, *generators, **more):
    patient = {"first_piece_s": 30, "gap_s": 30}
    config = AnsweringConfig(generators=generators, cache_entries=0, breaker_failures=1000, **patient | more)
    config = config.model_copy(update={"llm": config.llm.model_copy(update={"requests_per_minute": None})})
    return space.settings.stages("smoke").model_copy(update={"answering": config})


def until(true, seconds=30):
    """Wait for what comes true by itself."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server(asking_groq):
    with serving(asking_groq, answering(asking_groq, GeneratorKind.GROQ, GeneratorKind.EXTRACTIVE)) as running:
        yield running


@pytest.fixture(scope="module")
def groq_alone(asking_groq):
    with serving(asking_groq, answering(asking_groq, GeneratorKind.GROQ)) as running:
        yield running


def test_an_answer_that_breaks_off_is_finished_by_the_next_generator(server, groq):
    groq.faults = [cuts("The lung stands at ")]
    with client(server) as reader:
        events = events_of(reader.post("/ask", json={"question": QUESTION, "stream": True}))
    names = [name for name, _ in events]
    assert "restart" in names
    assert names[-1] == "done"
    done = events[-1][1]
    assert done["generator"] == "extractive"
    assert done["silent"][0]["generator"].startswith("groq")
    assert "10 centimetres" in done["text"]


def test_openai_clients_see_that_the_answer_began_anew(server, groq):
    groq.faults = [cuts("The lung stands at ")]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key()) as ai:
        chunks = list(ai.chat.completions.create(**CHAT, stream=True))
    text = "".join(each.choices[0].delta.content or "" for each in chunks)
    assert "begins anew" in text
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert "10 centimetres" in chunks[-1].ragloop["text"]


def test_an_answer_that_nobody_finishes_ends_with_an_error(groq_alone, groq):
    groq.faults = [cuts("The lung stands at ")]
    with client(groq_alone) as reader:
        events = events_of(reader.post("/ask", json={"question": QUESTION, "stream": True}))
        assert events[-1][0] == "error"
        assert events[-1][1]["type"] == "no_generator"
        groq.faults = [refuses(500)]
        answer = reader.post("/ask", json={"question": QUESTION})
        assert answer.status_code == 503
        assert "groq" in answer.json()["error"]["message"]


def test_a_question_that_suits_nobody_is_not_to_be_asked_again(asking_groq):
    with serving(asking_groq, answering(asking_groq, GeneratorKind.GROQ, prompt_tokens=200)) as terse:
        with client(terse) as reader:
            answer = reader.post("/ask", json={"question": QUESTION * 20})
    assert answer.status_code == 422
    assert answer.json()["error"]["type"] == "unsuited_question"


def test_openai_clients_raise_when_nobody_finishes(groq_alone, groq):
    groq.faults = [cuts("The lung stands at ")]
    with openai.OpenAI(base_url=f"{groq_alone.url}/v1", api_key=groq_alone.key(), max_retries=0) as ai:
        with pytest.raises(openai.APIError, match="groq"):
            list(ai.chat.completions.create(**CHAT, stream=True))


def test_an_answer_that_was_too_long_says_so(server, groq):
    groq.faults = [says(ANSWER, finish="length")]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key()) as ai:
        assert ai.chat.completions.create(**CHAT).choices[0].finish_reason == "length"


def test_readers_that_stand_still_stall_nobody(server, groq):
    groq.write = lambda messages: ANSWER
    body = json.dumps({"question": QUESTION, "stream": True}).encode()
    head = f"POST /ask HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key()}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    slow = []
    try:
        for _ in range(2 * server.space.settings.answers_at_once):
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            opened.connect(address)
            opened.sendall(head.encode() + body)
            slow.append(opened)
        with client(server) as reader:
            assert reader.post("/ask", json={"question": QUESTION}).json()["found"]
    finally:
        for opened in slow:
            opened.close()
        until(lambda: server.service.work.taken == 0)


def test_an_answer_that_is_being_given_is_finished_when_the_server_stops(asking_groq, groq):
    go = threading.Event()

    def waits(exchange, request):
        go.wait(10)
        answered(exchange, request, ANSWER)

    groq.faults = [waits]
    with serving(asking_groq, answering(asking_groq, GeneratorKind.GROQ)) as stopping, client(stopping) as reader:
        with reader.stream("POST", "/ask", json={"question": QUESTION, "stream": True}) as answer:
            stopping.uvicorn.should_exit = True
            go.set()
            text = answer.read().decode()
    assert "event: done" in text


def test_an_answer_ends_when_its_reader_leaves_and_is_kept_as_far_as_it_got(server, groq):
    sent = []

    def slowly(exchange, request):
        exchange.send_response(200)
        exchange.send_header("content-type", "text/event-stream")
        exchange.end_headers()
        try:
            for word in [*ANSWER.split(), *["and"] * 500]:
                exchange.wfile.write(f"data: {json.dumps(chunk(request, {'content': word + ' '}))}\n\n".encode())
                exchange.wfile.flush()
                sent.append(word)
                time.sleep(0.02)
        except OSError:
            sent.append(None)
        exchange.close_connection = True

    groq.faults = [slowly]
    with client(server) as reader:
        with reader.stream("POST", "/ask", json={"question": QUESTION, "stream": True}) as answer:
            lines = answer.iter_lines()
            assert next(line for line in lines if line == "event: token")
    until(lambda: sent and sent[-1] is None)  # Groq was told to stop
    until(lambda: server.service.work.taken == 0)
    with server.space.database.reading() as session:
        kept = session.exec(
            select(InteractionRow).where(InteractionRow.found.is_(None)).order_by(InteractionRow.created_at)
        )
        assert kept.all()[-1].answer.startswith("The lung")
