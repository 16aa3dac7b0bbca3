"""The loop, killed and started again."""

import json
import os
import signal
import time

import psutil
import pytest

from deployments.processes import is_alive
from tests.company import write_company, write_questions
from tests.e2e.conftest import Ragloop, wait_until

TOO_LONG_S = 300


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A home whose retraining was killed right after its first checkpoint."""
    ragloop = _company(tmp_path_factory.mktemp("killed"))
    before = ragloop.ok("releases", "show", "production", "--json")
    process = ragloop.start("retrain")
    try:
        _await_checkpoint(ragloop, process)
        server = _server_of(process.pid)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return ragloop, before, server


def _company(folder):
    ragloop = Ragloop(folder)
    ragloop.ok("ingest", write_company(ragloop.folder / "documents"))
    ragloop.ok("pairs", "import", write_questions(ragloop.folder / "questions.jsonl"))
    return ragloop


def _await_checkpoint(ragloop, process):
    checkpoint = None
    end = time.monotonic() + TOO_LONG_S
    while checkpoint is None and process.poll() is None and time.monotonic() < end:
        checkpoint = next(ragloop.home.rglob("checkpoint-*/trainer_state.json"), None)
        time.sleep(0.02)
    assert checkpoint is not None, (ragloop.folder / "background.log").read_text()


def _server_of(pid):
    """Return the Prefect server that a process started."""
    return next(each for each in psutil.Process(pid).children() if "uvicorn" in each.cmdline())


def test_production_is_untouched_by_the_kill(killed):
    ragloop, before, _ = killed
    assert ragloop.ok("releases", "show", "production", "--json") == before


def test_the_killed_run_leaves_no_server_behind(killed):
    _, _, server = killed
    assert wait_until(lambda: not is_alive(server), 60)


def test_ctrl_c_in_a_terminal_ends_a_run_at_once_and_keeps_its_checkpoint(tmp_path):
    """A terminal sends it to all processes of the command: to the temporary server too."""
    ragloop = _company(tmp_path)
    process = ragloop.start("retrain")
    try:
        _await_checkpoint(ragloop, process)
        os.killpg(process.pid, signal.SIGINT)
        code = process.wait(TOO_LONG_S)
    finally:
        process.kill()
        process.wait()
    said = (ragloop.folder / "background.log").read_text()
    assert (code, "Traceback" in said) == (130, False), said
    assert list(ragloop.home.rglob("checkpoint-*/trainer_state.json"))


def test_the_next_run_goes_on_from_the_checkpoint_and_finishes(killed):
    ragloop, _, _ = killed
    outcome = json.loads(ragloop.ok("retrain", "--json"))
    release = json.loads(ragloop.ok("releases", "show", str(outcome["release_id"]), "--json"))
    digest = release["embedder"]["digest"]
    manifest = json.loads((ragloop.home / "artifacts" / "embedder" / digest / "manifest.json").read_text())
    training = manifest["facts"]["training"]
    assert 0 < training["resumed_from_step"] < training["steps"]
    assert not list(ragloop.home.rglob("checkpoint-*"))


def test_nothing_new_is_said_and_nothing_is_built(killed):
    ragloop, _, _ = killed
    ragloop.ok("retrain")
    before = sorted(map(str, (ragloop.home / "artifacts").rglob("manifest.json")))
    assert "nothing new" in ragloop.ok("retrain")
    assert sorted(map(str, (ragloop.home / "artifacts").rglob("manifest.json"))) == before


def test_promote_and_rollback_change_what_answers(killed):
    ragloop, _, _ = killed
    newest = json.loads(ragloop.ok("releases", "list", "--json"))[0]["id"]
    assert newest > 1
    ragloop.ok("releases", "promote", "1")
    ragloop.ok("releases", "promote", str(newest))
    assert f"release {newest}" in ragloop.ok("releases", "promote", str(newest))
    assert "release 1 serves" in ragloop.ok("releases", "rollback")
    assert json.loads(ragloop.ok("releases", "show", "production", "--json"))["id"] == 1
    assert "md" in ragloop.ok("search", "warranty")
