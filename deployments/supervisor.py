"""`ragloop up`: Prefect's server, a worker for each pool, the API with its page, and the sweep, until told to stop."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from deployments.processes import API, PAGE, SERVER, end_flows, flow_processes
from deployments.recovery import crash_lost_runs
from storage.errors import RagloopError

logger = logging.getLogger(__name__)

READY_S = 180.0
SWEEP_S = 15.0
PATIENCE_S = 30.0
"""How long a flow may take to write its checkpoint and report when everything stops."""
MANY_DEATHS, DEATHS_WINDOW_S = 5, 120.0
"""A part that dies this often in that time is given up, and all others with it, unless it is a front."""
LOG_BYTES = 10 * 2**20
_TITLES = {SERVER: "the Prefect server", API: "the HTTP API", PAGE: "the page"}


class PartFailed(RagloopError):
    """A part does not start, or dies over and over."""


@dataclass
class Part:
    """The server, a worker, the API or the page: how it is started, and how often it died."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    descriptors: tuple[int, ...] = ()
    health: str = ""
    """Address that answers once it does its work; empty if that is known otherwise."""
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0
    """Where in the log it began to write, in bytes."""
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MANY_DEATHS))

    @property
    def title(self) -> str:
        """What people call it."""
        return _TITLES.get(self.name, f"the {self.name} worker")

    def start(self, died: "SimpleQueue[Part | None]") -> None:
        """Start it in a session of its own, so that Ctrl-C does not reach it; its end is put into the queue."""
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self.descriptors,
                start_new_session=True,
            )
        threading.Thread(target=self._watch, args=(self.process, died), daemon=True).start()

    def _watch(self, process: subprocess.Popen[bytes], died: "SimpleQueue[Part | None]") -> None:
        process.wait()
        died.put(self)

    def count_death(self) -> None:
        """Note that it died.

        :raises PartFailed: if it does so over and over.
        """
        now = time.monotonic()
        self.deaths.append(now)
        if len(self.deaths) == MANY_DEATHS and now - self.deaths[0] < DEATHS_WINDOW_S:
            raise PartFailed(f"{self.title} ended {MANY_DEATHS} times in a short while{self.last_words()}")

    def last_words(self) -> str:
        """Return what it ended of, as far as it said, and where the rest is, to end a complaint with."""
        said = self.log.read_bytes() if self.log.exists() else b""
        if self.log_start <= len(said):  # else the log was begun anew
            said = said[self.log_start :]
        line = _reason(said.decode(errors="replace").splitlines())
        return f" ({line[:300]}): see {self.log}" if line else f": see {self.log}"


class Supervisor:
    """Starts the parts, starts again what dies, and sweeps in between.

    `stop()` may be called from a signal handler; `start()` and `watch()` then return soon.
    """

    def __init__(
        self, home: Path, server: Part, workers: Mapping[str, Part], api_url: str, fronts: Sequence[Part] = ()
    ) -> None:
        self.home = home
        self.server = server
        self.workers = workers
        """By the name that each has on the server."""
        self.api_url = api_url
        self.fronts = fronts
        """What people touch."""
        self.stopping = threading.Event()
        self.died: SimpleQueue[Part | None] = SimpleQueue()

    def stop(self) -> None:
        """Let `start()` and `watch()` return."""
        self.stopping.set()
        self.died.put(None)

    def start(self, bootstrap: Callable[[], list[str]]) -> None:
        """Start everything and wait until all of it answers.

        :raises PartFailed: if a part does not.
        """
        started = datetime.now(UTC)
        logger.info("starting the Prefect server")
        self.server.start(self.died)
        for front in self.fronts:
            logger.info("starting %s", front.title)
            front.start(self.died)
        self._wait(self._server_answers, "the Prefect server does not answer")
        if self.stopping.is_set():
            return
        logger.info("deploying: pools, deployments, automations")
        self._carry_out(bootstrap)
        if self.stopping.is_set():
            return
        crash_lost_runs(self.workers, started)
        logger.info("starting the workers: %s", ", ".join(self.workers))
        for worker in self.workers.values():
            worker.start(self.died)
        self._wait(lambda: self._workers_online(started), "a worker does not report to the server")
        for front in self.fronts:
            self._wait(partial(_answers, front.health), f"{front.title} does not answer")

    def watch(self, sweep: Callable[[], Any]) -> None:
        """Start again what dies, and sweep, until told to stop. A front that dies over and over is given up alone.

        :raises PartFailed: if another part does.
        """
        threading.Thread(target=self._sweep_on, args=(sweep,), daemon=True).start()
        while not self.stopping.is_set():
            if part := self.died.get():
                self._revive(part)

    def crash_lost_runs(self) -> None:
        """Mark as crashed what the workers took, if any was started, and no process carries out. Never fails."""
        if any(worker.process for worker in self.workers.values()):
            crash_lost_runs(self.workers, datetime.now(UTC))

    def _revive(self, part: Part) -> None:
        if self.stopping.is_set() or part.process is None:
            return
        code = part.process.returncode
        try:
            part.count_death()
        except PartFailed as error:
            if part not in self.fronts:
                raise
            # What runs behind it, such as a training of hours, needs neither the API nor the page.
            logger.error("%s; it is given up and all else goes on: `ragloop up` anew starts it again", error)
            return
        how = f"signal {-code}" if code < 0 else f"code {code}"
        logger.warning("%s ended (%s): starting it again", part.title, how)
        moment = datetime.now(UTC)
        is_worker = part in self.workers.values()
        orphans = flow_processes(self.home, part.name) if is_worker else {}
        part.start(self.died)
        if is_worker:
            threading.Thread(target=self._end_orphans, args=(list(orphans.values()), moment), daemon=True).start()

    def _end_orphans(self, orphans: list[Any], moment: datetime) -> None:
        # Nobody could cancel them or take their output: they write their checkpoint and end, and are run again.
        end_flows(orphans, PATIENCE_S)
        crash_lost_runs(self.workers, moment)

    def _sweep_on(self, sweep: Callable[[], Any]) -> None:
        while not self.stopping.wait(SWEEP_S):
            for part in (self.server, *self.workers.values(), *self.fronts):
                bound_log(part.log, LOG_BYTES)
            try:
                sweep()
            except Exception as error:
                logger.warning("the sweep failed and is tried again: %s", error)

    def _wait(self, ready: Callable[[], bool], complaint: str) -> None:
        end = time.monotonic() + READY_S
        while not self.stopping.is_set() and not ready():
            if time.monotonic() > end:
                raise PartFailed(f"{complaint} after {READY_S:g} s: see {self.home / 'logs'}")
            try:
                part = self.died.get(timeout=0.3)
            except Empty:
                continue
            if part is not None:
                raise PartFailed(f"{part.title} did not start{part.last_words()}")

    def _carry_out(self, work: Callable[[], list[str]]) -> None:
        """Do it in a thread, so that a signal need not wait for its end."""
        outcome: SimpleQueue[list[str] | Exception] = SimpleQueue()

        def carry_out() -> None:
            try:
                outcome.put(work())
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=carry_out, daemon=True).start()
        self._wait(lambda: not outcome.empty(), "the deployment has not ended")
        if self.stopping.is_set():
            return
        result = outcome.get()
        if isinstance(result, Exception):
            raise result
        for line in result:
            logger.info("%s", line)

    def _server_answers(self) -> bool:
        return _answers(f"{self.api_url}/health")

    def _workers_online(self, since: datetime) -> bool:
        import httpx

        from deployments.server import ServerUnreachable, connect

        try:
            with connect() as client:
                seen = {
                    worker.name: worker.last_heartbeat_time
                    for pool in {part.name for part in self.workers.values()}
                    for worker in client.read_workers_for_work_pool(pool)
                }
        except (ServerUnreachable, httpx.HTTPError):  # busy for a moment: asked again
            return False
        return all((last := seen.get(name)) and last > since for name in self.workers)


def worker_part(pool: str, name: str, environment: Mapping[str, str], logs: Path) -> Part:
    """Return the worker of a pool."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "process", "--install-policy", "never"]
    return Part(pool, [*command, "--pool", pool, "--name", name], environment, logs / f"{pool}.log")


def server_part(listener: socket.socket, environment: Mapping[str, str], logs: Path) -> Part:
    """Return the server on a socket that listens already."""
    descriptor = listener.fileno()
    command = [sys.executable, "-m", "deployments.embedded", str(descriptor)]
    return Part(SERVER, command, environment, logs / "server.log", (descriptor,))


def _answers(url: str) -> bool:
    import httpx

    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success  # no proxy knows this machine's own ports
    except httpx.HTTPError:
        return False


def _reason(lines: list[str]) -> str:
    """Return the exception of the last traceback, or the last line; "" if there is none."""
    tracebacks = [number for number, line in enumerate(lines) if "Traceback (most recent call last)" in line]
    if tracebacks:
        ends = (line for line in lines[tracebacks[-1] + 1 :] if line and not line[0].isspace())
        if end := next(ends, ""):
            return end
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def bound_log(log: Path, max_bytes: int) -> None:
    """Begin a log anew once it is too long, under its part's hands; what was said so far goes to a second file."""
    if log.exists() and log.stat().st_size > max_bytes:
        older = log.with_suffix(".old.log")
        with open(os.open(older, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with log.open("rb") as current:
                shutil.copyfileobj(current, file)
        os.truncate(log, 0)
