"""Who asks: one after the other, many at once, and some who read a byte a second."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from urllib.parse import urlsplit

import httpx
import numpy as np
from pydantic import BaseModel

from serving.processes import Server

_SETTLED_S = 5.0
"""After which the answers to the slow readers are made, and only wait for them."""


class Asked(BaseModel):
    """One answer, as its reader saw it."""

    first_s: float | None
    """Until the first word."""
    total_s: float
    generator: str | None
    restarted: bool
    error: str | None
    """What the stream ended with, or why there was none; None if it ended with an answer."""
    timings: dict[str, float]
    """The server's own."""


def ask(client: httpx.Client, server: Server, collection: str, question: str) -> Asked:
    """Ask for a stream and read it to its end."""
    began = time.perf_counter()
    first_s, restarted, error, done = None, False, "ended without done", {}
    body = {"question": question, "collection": collection, "stream": True}
    try:
        with client.stream("POST", f"{server.url}/ask", json=body, headers=server.headers) as response:
            if response.status_code != 200:
                response.read()
                error = f"{response.status_code} {response.text[:200]}"
            for event, data in _events(response):
                if event == "token" and first_s is None:
                    first_s = time.perf_counter() - began
                restarted |= event == "restart"
                if event == "done":
                    done, error = json.loads(data), ""
                elif event == "error":
                    error = data
    except httpx.HTTPError as failure:
        error = type(failure).__name__
    total_s = time.perf_counter() - began
    generator, timings = done.get("generator"), done.get("timings", {})
    return Asked(
        first_s=first_s, total_s=total_s, generator=generator, restarted=restarted, error=error or None, timings=timings
    )


def ask_for(server: Server, collection: str, questions: Sequence[str], clients: int, seconds: float) -> list[Asked]:
    """Let so many clients ask, each its next question as soon as the last is answered."""
    until, places = time.monotonic() + seconds, count()

    def work(_: int) -> list[Asked]:
        answers = []
        with httpx.Client(timeout=120) as client:
            while time.monotonic() < until:
                answers.append(ask(client, server, collection, questions[next(places) % len(questions)]))
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return [answer for own in pool.map(work, range(clients)) for answer in own]


@contextmanager
def slow_readers(server: Server, collection: str, question: str, n: int) -> Iterator[None]:
    """Keep so many streams open whose readers take a byte a second; they have all begun when it yields."""
    done = Event()
    at = urlsplit(server.url)
    body = json.dumps({"question": question, "collection": collection, "stream": True})
    head = f"POST /ask HTTP/1.1\r\nhost: {at.netloc}\r\nauthorization: Bearer {server.key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"

    def read() -> None:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            connection.connect((at.hostname, at.port))
            connection.sendall((head + body).encode())
            while not done.wait(1) and connection.recv(1):
                pass

    readers = [Thread(target=read) for _ in range(n)]
    for reader in readers:
        reader.start()
    time.sleep(_SETTLED_S)
    try:
        yield
    finally:
        done.set()
        for reader in readers:
            reader.join()


@contextmanager
def watched(look: Callable[[], int]) -> Iterator[list[int]]:
    """Yield a list that grows by what is seen five times a second."""
    seen, done = [look()], Event()

    def watch() -> None:
        while not done.wait(0.2):
            seen.append(look())

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def percentiles_ms(seconds: Sequence[float | None]) -> dict[str, int]:
    """Return the median and the 95th percentile, in milliseconds."""
    known = [s for s in seconds if s is not None]
    p50, p95 = np.percentile(known, [50, 95]) * 1000 if known else (0, 0)
    return {"p50": round(float(p50)), "p95": round(float(p95))}


def _events(response: httpx.Response) -> Iterator[tuple[str, str]]:
    event = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "data":
            yield event, value
