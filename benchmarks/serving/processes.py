"""`ragloop serve` and a server that speaks Groq's protocol, each in a process of its own."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil

ROOT = Path(__file__).parents[2]
FIRST_S, TOKENS_A_SECOND = 0.25, 300.0
"""Groq's pace: about what people measure of its 20B model, network included."""
_TOKENS_A_PIECE = 5


class Groq:
    """The other process; it answers out of the prompt, at a pace, or goes wrong as told."""

    def __init__(self) -> None:
        fresh = multiprocessing.get_context("spawn")
        self._told, theirs = fresh.Pipe()
        self._process = fresh.Process(target=_speak, args=(theirs,), daemon=True)
        self._process.start()
        self.url: str = self._told.recv()

    def will(self, *faults: str) -> None:
        """Have it go wrong at the next requests, one fault each: cuts, hangs."""
        self._told.send(faults)
        self._told.recv()

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


def _speak(told: Connection) -> None:
    from tests.groq_server import cuts, freezes, serving

    known = {"cuts": cuts("It is known that "), "hangs": freezes("", 60)}
    with serving() as groq:
        groq.first_s, groq.piece_s = FIRST_S, _TOKENS_A_PIECE / TOKENS_A_SECOND
        told.send(groq.url)
        while True:
            groq.faults = [known[name] for name in told.recv()]
            told.send(None)


class Server(NamedTuple):
    """A running `ragloop serve`."""

    url: str
    key: str
    process: psutil.Process

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs."""
        return {"authorization": f"Bearer {self.key}"}

    def rss_mb(self) -> int:
        """Return the memory that it has now."""
        return int(self.process.memory_info().rss // 2**20)


@contextmanager
def serving(
    folder: Path, groq_url: str, generators: list[str], profile: str, inherited: Sequence[int] = ()
) -> Iterator[Server]:
    """Serve the home in `folder`, with nothing remembered, and stop at the end.

    :param inherited: file descriptors that the server is to hold, too.
    """
    config = folder / f"{'-'.join(generators)}.toml"
    config.write_text(f"[answering]\ngenerators = {generators}\ncache_entries = 0\nevidence_threshold = 0.0\n")
    environment: dict[str, Any] = os.environ | {
        "RAGLOOP_HOME": str(folder / "home"),
        "RAGLOOP_KEY_FILE": str(folder / "keyring.json"),
        "RAGLOOP_CONFIG": str(config),
        "RAGLOOP_PROFILE": profile,
        "RAGLOOP_REQUESTS_PER_MINUTE": "0",
        "RAGLOOP_GROQ_API_KEY": "a-key",
        "RAGLOOP_GROQ_BASE_URL": groq_url,
    }
    command = [sys.executable, "-m", "app.cli"]
    made = subprocess.run(
        [*command, "keys", "create", "--role", "reader", "--quiet"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "serve", "--port", "0"],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, pass_fds=inherited,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        ready = next((line for line in process.stdout if line.startswith("ready ")), None)
        if ready is None:
            raise SystemExit(f"`ragloop serve` did not become ready: see {folder / 'serve.log'}")
        server = Server(ready.split()[1], made.stdout.strip(), psutil.Process(process.pid))
        while httpx.get(f"{server.url}/readyz", timeout=60).status_code != 200:
            time.sleep(0.2)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
