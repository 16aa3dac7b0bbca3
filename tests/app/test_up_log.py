"""The log of `ragloop up`."""

import logging
import os

import pytest

from app.cli.operations import OwnerLog


@pytest.fixture
def usual_mask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_mask")
def test_it_stays_within_bounds_and_for_the_owner_alone(tmp_path):
    path = tmp_path / "up.log"
    log = OwnerLog(path, maxBytes=1000, backupCount=1, encoding="utf-8")
    for number in range(100):
        log.emit(logging.makeLogRecord({"msg": f"the {number}th line of many that a long life leaves"}))
    log.close()
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert all(file.stat().st_size <= 1000 for file in files)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert "the 99th line" in path.read_text()


def test_it_goes_on_after_a_restart(tmp_path):
    for text in ("before", "after"):
        log = OwnerLog(tmp_path / "up.log", maxBytes=1000, backupCount=1, encoding="utf-8")
        log.emit(logging.makeLogRecord({"msg": text}))
        log.close()
    assert (tmp_path / "up.log").read_text() == "before\nafter\n"
