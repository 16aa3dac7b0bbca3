"""Ends what a killed `ragloop up` has left: `python -m deployments.watcher HOME WORKER...`, started by it.

It reads a pipe that only `ragloop up` holds open. At its end it takes the home's lock; if that is held, `ragloop up`
still lives and ends everything itself, or another has begun.
"""

import fcntl
import logging
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from deployments.address import lock_file, remove_address
from deployments.processes import end_home
from deployments.recovery import crash_lost_runs
from deployments.supervisor import PATIENCE_S


def watch(home: Path, workers: list[str]) -> None:
    """Wait for the end of the pipe, then end everything that runs for the home."""
    sys.stdin.buffer.read()
    if not _take(os.open(lock_file(home), os.O_RDWR | os.O_CREAT, 0o600)):
        return
    remove_address(home)
    end_home(home, PATIENCE_S, when_flows_ended=lambda: crash_lost_runs(workers, datetime.now(UTC)))


def _take(descriptor: int) -> bool:
    """Take the lock; who only looks whether it is held has it for an instant."""
    for _ in range(10):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return True
    return False


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    watch(Path(sys.argv[1]), sys.argv[2:])
