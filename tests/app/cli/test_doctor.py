"""`ragloop doctor` finds what is missing, and says what mends it."""

import contextlib
import fcntl
import json
import os
import socket
import threading

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.doctor import Finding, State, run_checks
from deployments.address import Address, lock_file, write_address

OK, NOTE, MISSING = (state.value for state in State)


@pytest.fixture(autouse=True)
def no_server(home, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return home


def looked(**environment):
    """Return the exit code, the lines of complaint, and what each check says."""
    done = CliRunner().invoke(app, ["doctor", "--json"], env={name: str(value) for name, value in environment.items()})
    rows = json.loads(done.stdout)
    assert all(set(row) == {"check", "state", "what", "mend"} for row in rows)
    complaints = [line for line in done.stderr.splitlines() if line.startswith("ragloop: ")]
    return done.exit_code, complaints, {row["check"]: row for row in rows}


def mended(rows, check, state, *words):
    """Check what is said of one thing, and that something else stands beside it."""
    row = rows[check]
    assert row["state"] == state, row
    for word in words:
        assert word in f"{row['what']} -> {row['mend']}", row


def test_on_a_new_machine_all_that_is_needed_is_there(home):
    code, complaints, rows = looked()
    assert (code, complaints) == (0, [])
    assert {row["state"] for row in rows.values()} <= {OK, NOTE}
    for check in ("python", "packages", "configuration", "home and key", "disk", "models"):
        assert rows[check]["state"] == OK
    mended(rows, "language model", NOTE, "extractive answers in its place", "export RAGLOOP_GROQ_API_KEY=")
    mended(rows, "Prefect's server", NOTE, "none runs", "ragloop up")
    assert str(home) in rows["home and key"]["what"]


def test_a_home_that_cannot_be_is_named_in_one_line_and_exit_code_2():
    code, complaints, rows = looked(RAGLOOP_HOME="/proc/ragloop")
    assert code == 2
    assert complaints == ["ragloop: to be mended before all works: home and key, disk"]
    mended(rows, "disk", MISSING, "0.0 GB free at /proc, 3.0 needed", "choose another home with RAGLOOP_HOME")
    mended(rows, "home and key", MISSING, "/proc/ragloop")


def test_a_key_that_others_can_read_is_named_with_the_command(space):
    key = space.settings.key_file
    key.chmod(0o644)
    code, _, rows = looked()
    assert code == 2
    assert rows["home and key"]["mend"] == f"chmod 600 {key}"


def test_a_lost_key_is_missing(space):
    space.settings.key_file.unlink()
    mended(looked()[2], "home and key", MISSING, "no key at", "put back the key file that sealed this home")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[embedding\n", "is not TOML"),
        ("[embedding]\nepochs = 0\n", "the configuration's embedding.epochs"),
        ('[reranking]\nmethod = "cross-encoder"\n', "set RAGLOOP_MODELS=hub"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_named(tmp_path, text, said):
    (tmp_path / "ragloop.toml").write_text(text)
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml")[2], "configuration", MISSING, said)


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        ('[synthesis]\nwriter = "groq"\n', MISSING, ("synthesis.writer", "export RAGLOOP_GROQ_API_KEY=")),
        ('[answering]\ngenerators = ["groq"]\n', MISSING, ("alone is to answer", "export RAGLOOP_GROQ_API_KEY=")),
        ('[answering]\ngenerators = ["extractive"]\n', OK, ("no key is needed",)),
    ],
)
def test_a_key_for_groq_is_missed_where_it_is_needed(tmp_path, text, state, words):
    (tmp_path / "ragloop.toml").write_text(text)
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml")[2], "language model", state, *words)
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml", RAGLOOP_GROQ_API_KEY="k")[2], "language model", OK)


def test_a_package_that_is_missing_or_too_old_is_named_with_the_command(tmp_path, monkeypatch):
    described = tmp_path / "site" / "ragloop-0.1.0.dist-info"
    described.mkdir(parents=True)
    needed = ["tink>=99", "no-such-package>=1", 'no-such-s3>=1; extra == "s3"', 'no-such-ray; extra == "ray"']
    lines = ["Metadata-Version: 2.1", "Name: ragloop", "Version: 0.1.0", "Requires-Python: >=3.11"]
    (described / "METADATA").write_text("\n".join(lines + [f"Requires-Dist: {each}" for each in needed]))
    monkeypatch.syspath_prepend(str(described.parent))
    _, _, rows = looked(RAGLOOP_ARTIFACT_ROOT="s3://bucket/path")
    mended(rows, "packages", MISSING, "no-such-package is missing", "no-such-s3", "pip install", "'tink>=99'")
    assert "no-such-ray" not in rows["packages"]["mend"]


@pytest.mark.usefixtures("hub_that_hangs_up")
def test_a_hub_that_cannot_be_reached_is_missed_until_its_models_are_in_the_cache(tmp_path, monkeypatch):
    mended(looked(RAGLOOP_MODELS="hub")[2], "models", MISSING, "BAAI/bge-small-en-v1.5", "RAGLOOP_MODELS=bundled")
    cached = tmp_path / "hub" / "models--BAAI--bge-small-en-v1.5"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("abc")
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "snapshots" / "abc" / "config.json").write_text("{}")
    mended(looked(RAGLOOP_MODELS="hub")[2], "models", OK, "BAAI/bge-small-en-v1.5")


def test_models_that_a_hub_has_are_fetched_later(server, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    mended(looked(RAGLOOP_MODELS="hub")[2], "models", NOTE, f"will be fetched from {server}")


def test_a_card_that_torch_cannot_use_is_said(tmp_path):
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 16384\n")
    driver.chmod(0o755)
    path = f"{driver.parent}{os.pathsep}{os.environ['PATH']}"
    mended(looked(PATH=path, CUDA_VISIBLE_DEVICES="-1")[2], "card", NOTE, "cannot use it", "the build of torch")


def test_a_profile_for_a_card_without_one_is_said():
    rows = looked(CUDA_VISIBLE_DEVICES="", RAGLOOP_PROFILE="gpu-6gb")[2]
    mended(rows, "card", NOTE, "none: trainings run on", "gpu-6gb is made for a card", "unset RAGLOOP_PROFILE")


def test_a_server_that_is_named_has_to_answer(server):
    mended(looked(PREFECT_API_URL=f"{server}/api")[2], "Prefect's server", OK, server, "which answers")
    code, complaints, rows = looked(PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (code, complaints) == (2, ["ragloop: to be mended before all works: Prefect's server"])
    mended(rows, "Prefect's server", MISSING, "http://127.0.0.1:9/api", "`ragloop up`", "unset PREFECT_API_URL")


def test_what_this_home_runs_is_found_where_it_is(space, server):
    write_address(space.home, Address(api_url=f"{server}/api", ui_url=server, pid=1, ask_url=f"{server}/ask"))
    with lock_file(space.home).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, _, rows = looked()
    mended(rows, "Prefect's server", OK, f"{server}/api, of this home's `ragloop up`")
    mended(rows, "port 8000", OK, f"is at {server}/ask")
    mended(rows, "port 4200", OK, f"is at {server}")


def test_a_port_that_somebody_has_is_said_with_who_and_stops_nothing():
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # else it is somebody else's, which is as good
            mine.bind(("127.0.0.1", 8501))
            mine.listen()
        code, _, rows = looked()
        is_mine = mine.getsockname()[1] == 8501
    assert code == 0
    mended(rows, "port 8501", NOTE, "taken by ", f"(process {os.getpid()})" if is_mine else "takes a free one")


def test_a_check_that_hangs_or_breaks_stops_no_other():
    def breaks():
        raise KeyError("what")

    found = run_checks(
        {"hangs": threading.Event().wait, "breaks": breaks, "well": lambda: Finding(State.OK, "fine")}, patience_s=0.2
    )
    assert found["hangs"].state == found["breaks"].state == State.MISSING
    assert "no answer for 0.2 s" in found["hangs"].what
    assert "KeyError" in found["breaks"].what
    assert found["well"] == Finding(State.OK, "fine")
