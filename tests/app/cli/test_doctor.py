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
from app.doctor.finding import Finding, State, run_checks
from deployments.address import Address, lock_file, write_address

OK, NOTE, MISSING = (state.value for state in State)


@pytest.fixture(autouse=True)
def no_server(home, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "")  # so that it is taken back, should `.env` name one
    monkeypatch.delenv("PREFECT_API_URL")
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
    for check in ("settings", "python", "packages", "configuration", "disk", "artifacts", "models", "judge"):
        assert rows[check]["state"] == OK
    mended(rows, "language model", NOTE, "extractive answers in its place", "export RAGLOOP_GROQ_API_KEY=")
    mended(rows, "Prefect's server", NOTE, "none runs", "ragloop up")
    mended(rows, "home and key", NOTE, f"no home yet at {home}", "ragloop ingest PATH")
    assert not home.exists()


def test_a_home_that_is_there_can_be_written(space):
    mended(looked()[2], "home and key", OK, f"{space.home} can be written", f"key in {space.settings.key_file}")


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


def test_variables_that_cannot_be_used_are_named_and_the_rest_is_looked_at():
    code, complaints, rows = looked(RAGLOOP_NICE="abc", RAGLOOP_PROFILE="huge")
    assert (code, complaints) == (2, ["ragloop: to be mended before all works: settings"])
    mended(rows, "settings", MISSING, "RAGLOOP_NICE is set to 'abc'", "RAGLOOP_PROFILE is set to 'huge'")
    assert "correct or unset RAGLOOP_" in rows["settings"]["mend"]
    assert rows["configuration"]["state"] == rows["disk"]["state"] == OK


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
def test_a_key_for_groq_is_missed_where_it_is_needed(server, tmp_path, text, state, words):
    (tmp_path / "ragloop.toml").write_text(text)
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml")[2], "language model", state, *words)
    key = {"RAGLOOP_GROQ_API_KEY": "k", "RAGLOOP_GROQ_BASE_URL": server}
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml", **key)[2], "language model", OK)


@pytest.mark.parametrize(("status", "state", "words"), [(401, MISSING, "does not take"), (None, NOTE, "be asked")])
def test_groq_is_asked_whether_it_takes_the_key(server, status, state, words):
    url = f"{server}/{status}" if status else "http://127.0.0.1:9"
    rows = looked(RAGLOOP_GROQ_API_KEY="k", RAGLOOP_GROQ_BASE_URL=url)[2]
    mended(rows, "language model", state, words, "correct")


@pytest.mark.usefixtures("hub_that_hangs_up")
@pytest.mark.parametrize(
    ("generators", "model", "state", "words"),
    [
        ('["local"]', "no/such", MISSING, "the local model no/such is not in the cache"),
        ('["local", "extractive"]', "no/such", NOTE, "extractive answers in its place"),
        ('["local"]', "/no/such", MISSING, "no model in /no/such"),
        ('["local"]', "{folder}", OK, "asked in turn: local"),
    ],
)
def test_a_local_model_is_looked_for(tmp_path, generators, model, state, words):
    (tmp_path / "config.json").write_text("{}")
    answering = (
        f"[answering]\ngenerators = {generators}\n[answering.local]\nmodel = '{model.format(folder=tmp_path)}'\n"
    )
    (tmp_path / "ragloop.toml").write_text(answering)
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml")[2], "language model", state, words)


def test_a_local_model_that_the_hub_has_is_fetched_and_one_that_it_has_not_is_missing(server, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    (tmp_path / "ragloop.toml").write_text('[answering]\ngenerators = ["local"]\n')
    for endpoint, state in ((server, OK), (f"{server}/404", MISSING)):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml")[2], "language model", state)


@pytest.mark.parametrize(
    ("check", "state", "words", "said"),
    [
        ("artifacts", MISSING, "correct or unset RAGLOOP_ARTIFACT_ROOT", {"ARTIFACT_ROOT": "/proc/nowhere"}),
        ("artifacts", MISSING, "no way to reach", {"ARTIFACT_ROOT": "gopher://nobucket/x"}),
        ("artifacts", OK, "answers", {"ARTIFACT_ROOT": "memory://bucket"}),
        (
            "task runner",
            MISSING,
            "no dask answers",
            {"TASK_RUNNER": "dask", "TASK_RUNNER_ADDRESS": "tcp://127.0.0.1:9"},
        ),
        ("task runner", OK, "dask at", {"TASK_RUNNER": "dask", "TASK_RUNNER_ADDRESS": "{server}"}),
        ("task runner", NOTE, "is not used", {"TASK_RUNNER_ADDRESS": "tcp://127.0.0.1:9"}),
        ("judge", MISSING, "set RAGLOOP_JUDGE_BASE_URL", {}),
        ("judge", MISSING, "nothing answers at http://127.0.0.1:9", {"JUDGE_BASE_URL": "http://127.0.0.1:9"}),
        ("judge", OK, "x at", {"JUDGE_BASE_URL": "{server}"}),
    ],
)
def test_what_lies_elsewhere_is_looked_for(server, tmp_path, check, state, words, said):
    (tmp_path / "ragloop.toml").write_text('[judge]\nprovider = "openai-compatible"\nmodel = "x"\n')
    variables = {f"RAGLOOP_{name}": value.format(server=server) for name, value in said.items()}
    mended(looked(RAGLOOP_CONFIG=tmp_path / "ragloop.toml", **variables)[2], check, state, words)


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


def test_a_server_that_is_named_in_dot_env_has_to_answer(home, server):
    (home.parent / ".env").write_text(f"PREFECT_API_URL={server}/api\n")
    mended(looked()[2], "Prefect's server", OK, server, "which answers")


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
        {"hangs": threading.Event().wait, "breaks": breaks, "well": lambda: Finding(State.OK, "fine")}, patience_s=2
    )
    assert found["hangs"].state == found["breaks"].state == State.MISSING
    assert "no answer for 2 s" in found["hangs"].what
    assert "KeyError" in found["breaks"].what
    assert found["well"] == Finding(State.OK, "fine")
