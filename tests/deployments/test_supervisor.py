"""Parts that die, and their logs."""

import os
import sys
from queue import SimpleQueue

import pytest

from deployments.supervisor import Part, PartFailed, Supervisor, bound_log


def part(tmp_path, code):
    return Part("server", [sys.executable, "-c", code], os.environ, tmp_path / "server.log")


def test_a_part_that_dies_over_and_over_is_given_up_with_its_last_words(tmp_path):
    server = part(tmp_path, "raise SystemExit('no room on the disk')")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api")
    server.start(supervisor.died)
    with pytest.raises(PartFailed, match=r"no room on the disk.*server\.log"):
        supervisor.watch(sweep=lambda: None)


def test_a_part_that_does_not_start_is_said_with_its_last_words(tmp_path):
    server = part(tmp_path, "raise SystemExit('no such database')")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api")
    with pytest.raises(PartFailed, match="no such database"):
        supervisor.start(bootstrap=list)


def test_a_log_stays_within_bounds_while_its_part_writes_on(tmp_path):
    log = tmp_path / "server.log"
    ended = SimpleQueue()
    noisy = part(tmp_path, "print('x' * 5000, flush=True); import time; time.sleep(0.5); print('more', flush=True)")
    noisy.start(ended)
    while not log.stat().st_size:
        pass
    bound_log(log, max_bytes=1000)
    ended.get(timeout=30)
    assert log.read_text() == "more\n"
    assert len((tmp_path / "server.old.log").read_text()) == 5001
    assert log.stat().st_mode & 0o777 == (tmp_path / "server.old.log").stat().st_mode & 0o777 == 0o600
