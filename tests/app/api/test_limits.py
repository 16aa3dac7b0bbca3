"""What a client cannot overdo: requests, bytes, questions at once."""

import asyncio
import socket
import threading
from contextlib import aclosing

import httpx
import pytest

from app.api.errors import Busy
from app.api.work import WAITING, Work
from tests.app.api.conftest import client, open_space, serving


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A server without documents, that bears little."""
    space = open_space(tmp_path_factory.mktemp("strict"), requests_per_minute=5, max_upload_mb=1)
    with serving(space) as running:
        yield running


def test_a_key_that_asks_too_often_waits_and_others_do_not(strict):
    with client(strict) as eager, client(strict) as other:
        answers = [eager.get("/v1/models") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert other.get("/v1/models").status_code == 200


@pytest.mark.parametrize(("path", "size"), [("/ask", 2**20 + 1), ("/collections/default/documents", 2**20 + 1)])
@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_large_is_refused(strict, path, size, told):
    head = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n' if "documents" in path else b""
    )
    content = head + b"x" * size
    with client(strict, "trainer") as trainer:
        headers = {"content-type": "multipart/form-data; boundary=x" if "documents" in path else "application/json"}
        answer = trainer.post(path, content=content if told else iter([content]), headers=headers)
    assert answer.status_code == 413
    assert "1 MiB" in answer.json()["error"]["message"]


def test_a_large_body_without_a_good_key_is_refused_before_it_comes(strict):
    address = strict.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((address[0], int(address[1])), timeout=30) as connection:
        connection.sendall(
            b"POST /collections/default/conversations HTTP/1.1\r\nHost: here\r\nContent-Length: 900000\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_home_without_documents_is_not_ready_and_says_why(strict):
    answer = httpx.get(f"{strict.url}/readyz", timeout=60)
    assert answer.status_code == 503
    assert "add documents" in answer.json()["reason"]


def test_work_beyond_the_places_is_refused_and_the_places_come_back():
    async def scenario():
        work, go = Work(1), threading.Event()
        busy = [asyncio.ensure_future(work.run(go.wait)) for _ in range(1 + WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await work.run(lambda: None)
        go.set()
        assert all(await asyncio.gather(*busy))
        assert await work.run(lambda: "free again") == "free again"
        work.close()

    asyncio.run(scenario())


def test_a_reader_that_stands_still_holds_no_thread():
    async def scenario():
        work = Work(1)
        async with aclosing(work.stream(lambda: (number for number in range(1000)))) as slow:
            assert await anext(slow) == 0
            assert await work.run(lambda: "others go on") == "others go on"
            assert [number async for number in slow] == list(range(1, 1000))
        work.close()

    asyncio.run(scenario())


def test_work_ends_when_its_reader_leaves():
    ended = threading.Event()

    def numbers(go):
        try:
            yield 0
            go.wait(10)
            yield 1
            yield 2
        finally:
            ended.set()

    async def scenario():
        work, go = Work(1), threading.Event()
        async with aclosing(work.stream(lambda: numbers(go))) as left:
            assert await anext(left) == 0
        go.set()
        assert await asyncio.to_thread(ended.wait, 10)
        assert await work.run(lambda: "the thread is free") == "the thread is free"
        work.close()

    asyncio.run(scenario())
