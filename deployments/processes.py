"""The processes that `ragloop up` and its workers start, known by a mark in their environment, and how they end."""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

logger = logging.getLogger(__name__)

MARK = "RAGLOOP_UP"
"""Variable that holds the home of the `ragloop up` that a process belongs to."""
PART = "RAGLOOP_PART"
"""Variable that holds the part that started it: `server`, `api`, `page`, or the pool of a worker."""
SERVER, API, PAGE = "server", "api", "page"
FRONTS = (API, PAGE)
"""What people touch."""

FLOW_RUN = "PREFECT__FLOW_RUN_ID"
POLL_S = 0.1
SLOW_EXIT_S = 15.0
"""How long a worker or the server may take to leave."""


@dataclass(frozen=True)
class Marked:
    """One process of a home."""

    process: psutil.Process
    part: str
    flow_run: str | None
    """The run whose process this is, or that started it; None for the server, the workers and what people touch."""

    @property
    def is_worker(self) -> bool:
        """Whether it is a worker itself."""
        return self.flow_run is None and self.part not in (SERVER, *FRONTS)


def marked_processes(home: Path) -> list[Marked]:
    """Return all that run for a home, oldest first, but never this process itself."""
    found = []
    for process, environment in _environments():
        if environment.get(MARK) == str(home) and process.pid != os.getpid():
            found.append(Marked(process, environment.get(PART, ""), environment.get(FLOW_RUN)))
    return sorted(found, key=lambda each: each.process.create_time())


def flow_processes(home: Path, part: str | None = None) -> dict[str, psutil.Process]:
    """Return the process that carries out each flow run, by the run's id; `part` keeps to one worker's."""
    leaders: dict[str, psutil.Process] = {}
    for each in marked_processes(home):
        if each.flow_run and part in (None, each.part):
            leaders.setdefault(each.flow_run, each.process)  # the oldest: what it starts has its environment
    return leaders


def running_flow_runs() -> set[str]:
    """Return the ids of the flow runs that have a process on this machine, of whatever home."""
    return {environment[FLOW_RUN] for _, environment in _environments() if environment.get(FLOW_RUN)}


def end_flows(processes: Iterable[psutil.Process], patience_s: float, hurried: Callable[[], bool] = bool) -> None:
    """Ask flow processes to write their checkpoint, report and leave; end them after `patience_s`, or once hurried."""
    waiting = list(processes)
    _signal(waiting, signal.SIGTERM)
    still = wait_for(waiting, patience_s, hurried)
    _signal(still, signal.SIGKILL)
    wait_for(still, SLOW_EXIT_S)


def end_home(
    home: Path,
    patience_s: float,
    hurried: Callable[[], bool] = bool,
    when_flows_ended: Callable[[], None] = lambda: None,
) -> None:
    """End all that runs for a home: what people touch, new runs, the flows, the workers, the server, and what is left.

    `when_flows_ended` is called while the server still answers and no worker starts anything.
    """
    _end([each.process for each in marked_processes(home) if each.part in FRONTS], hurried)
    # A worker that is asked to stop kills its flows at once, so it sleeps while they write their checkpoints.
    workers = [each.process for each in marked_processes(home) if each.is_worker]
    _signal(workers, signal.SIGSTOP)
    if flows := flow_processes(home):
        logger.info("flow runs that write their checkpoint and end, within %g s: %d", patience_s, len(flows))
        end_flows(flows.values(), patience_s, hurried)
    when_flows_ended()

    _signal(workers, signal.SIGTERM)
    _signal(workers, signal.SIGCONT)
    _await_end(workers, hurried)
    _end([each.process for each in marked_processes(home) if each.part == SERVER], hurried)
    _end([each.process for each in marked_processes(home)], hurried)


def wait_for(
    processes: Iterable[psutil.Process], seconds: float, hurried: Callable[[], bool] = bool
) -> list[psutil.Process]:
    """Wait until processes have ended and return those that have not."""
    end = time.monotonic() + seconds
    still = [process for process in processes if is_alive(process)]
    while still and time.monotonic() < end and not hurried():
        time.sleep(POLL_S)
        still = [process for process in still if is_alive(process)]
    return still


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended but is not yet collected does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(processes: list[psutil.Process], hurried: Callable[[], bool]) -> None:
    _signal(processes, signal.SIGTERM)
    _await_end(processes, hurried)


def _await_end(processes: list[psutil.Process], hurried: Callable[[], bool]) -> None:
    still = wait_for(processes, SLOW_EXIT_S, hurried)
    _signal(still, signal.SIGKILL)
    wait_for(still, SLOW_EXIT_S)


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _environments() -> list[tuple[psutil.Process, dict[str, str]]]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.uids().real == os.getuid() and is_alive(process):
                found.append((process, process.environ()))
    return found
