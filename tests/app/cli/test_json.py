"""`--json` prints one JSON value and nothing else, whatever the command has to say."""

import json
import re
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.output import show_json
from rag.feedback.recording import record_feedback
from rag.feedback.signals import Feedback, FeedbackKind
from tests.rag.answering.shop import open_shop
from tests.releases import another

WHEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def told(shop, tmp_path, monkeypatch):
    """Run a command of the shop with `--json`, and return what it says."""
    return teller(shop, tmp_path, monkeypatch)


def teller(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RAGLOOP_HOME", str(folder / "home"))
    monkeypatch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.chdir(tmp_path)

    def tell(*arguments):
        done = CliRunner().invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return tell


@pytest.mark.parametrize(
    "arguments",
    [
        "documents",
        "documents --collection nothing",
        "releases list",
        "keys list",
        "feedback stats",
        "feedback quarantined",
        "experiments list",
        "pairs evaluation-sets",
        "search bakery",
        "doctor",
    ],
)
def test_a_list_is_an_array_of_objects(told, arguments):
    rows = told(*arguments.split())
    assert isinstance(rows, list)
    assert all(isinstance(row, dict) for row in rows)


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """The folder of a shop with a key, an experiment, and answers that were judged, one in too short a question."""
    folder = tmp_path_factory.mktemp("used")
    space = open_shop(folder)
    with pytest.MonkeyPatch.context() as patch:
        tell = teller(folder, folder, patch)
        tell("keys", "create", "--role", "reader")
        tell("experiments", "start", "--retrieval", "dense_weight=0.6")
        for question in ("What does rye bread cost?", "rye?"):
            reaction = Feedback(interaction_id=tell("ask", question)["id"], kind=FeedbackKind.THUMB_UP)
            record_feedback(space.database, reaction, space.settings.feedback_threshold)
    return folder


@pytest.mark.parametrize(
    ("arguments", "types"),
    [
        (
            "documents",
            {"name": str, "version": int, "n_pages": int, "n_chunks": int, "n_chars": int, "ingested_at": WHEN},
        ),
        ("releases list", {"id": int, "state": str, "reason": str, "created_at": WHEN}),
        ("keys list", {"id": str, "role": str, "collections": list, "created_at": WHEN}),
        ("experiments list", {"id": int, "name": str, "state": str, "control_id": int, "started_at": WHEN}),
        ("feedback quarantined", {"rule": str, "reaction": int, "kind": str, "question": str, "at": WHEN}),
        ("feedback stats", {"what": str, "reactions": int, "why": str}),
        ("doctor", {"check": str, "state": str, "what": str}),
        (
            "search bakery",
            {
                "rank": int,
                "doc_id": str,
                "page": int,
                "document": str,
                "score": float,
                "char_start": int,
                "passage": str,
            },
        ),
        ("releases show production", {"id": int, "created_at": WHEN, "answering": dict, "embedder": dict}),
        ("experiments status", {"id": int, "started_at": WHEN, "shares": dict}),
        ("ask bakery?", {"id": str, "text": str, "citations": list, "timings": dict}),
        ("status", {"server": str, "device": str, "tables": dict, "hints": list}),
    ],
)
def test_each_has_its_keys_and_their_types(used, tmp_path, monkeypatch, arguments, types):
    said = teller(used, tmp_path, monkeypatch)(*arguments.split())
    rows = said if isinstance(said, list) else [said]
    assert rows
    for row in rows:
        assert all(re.fullmatch(r"[a-z0-9_]+", key) for key in row), row
        for key, kind in types.items():
            value = row[key]
            assert WHEN.fullmatch(value) if kind is WHEN else type(value) is kind, (key, value)


def test_what_was_refused_or_skipped_is_named_with_why(homeless, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "tool.exe").write_bytes(b"MZ")
    (folder / "empty.txt").write_text("")
    (folder / "red\x1b[31m.txt").write_text("The boats are red.")
    (folder / "boat.txt").write_text("The boat to the lighthouse leaves at dawn.")
    done = homeless.run("ragloop", "ingest", str(folder), "--json")
    assert done.returncode == 2 and "\x1b" not in done.stderr
    summary = json.loads(done.stdout)
    assert summary["added"] == ["boat.txt"] and summary["skipped"] == ["tool.exe"] and summary["release"]
    refused = {each["name"]: each["reason"] for each in summary["refused"]}
    assert set(refused) == {"empty.txt", "red\x1b[31m.txt"}
    assert "give a plain name of up to 500 letters" in refused["red\x1b[31m.txt"]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"id": "x9", "question": "Why?", "answer": "Because of the purple elephants."}))
    imported = json.loads(homeless.run("ragloop", "pairs", "import", str(pairs), "--json").stdout)
    assert imported["imported"] == 0 and "x9" in imported["refused"][0]


def test_times_and_what_is_no_number_have_one_form(capsys):
    show_json({"at": datetime(2026, 11, 22, 18, 5, 46, tzinfo=UTC), "mean": float("nan")})
    assert json.loads(capsys.readouterr().out) == {"at": "2026-11-22T18:05:46Z", "mean": None}


@pytest.mark.parametrize("arguments", ["releases show production", "status", "monitor", "ask bakery?"])
def test_one_thing_is_an_object(told, arguments):
    assert isinstance(told(*arguments.split()), dict)


def test_a_key_is_told_with_all_that_is_known_of_it(told):
    made = told("keys", "create", "--role", "reader", "--collection", "shop")
    assert made["key"] and made["role"] == "reader" and made["collections"] == ["shop"]
    listed = told("keys", "list")[-1]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert told("keys", "revoke", made["id"])["revoked_at"]
    both = CliRunner().invoke(app, ["keys", "create", "--role", "reader", "--quiet", "--json"])
    assert "give --quiet for the key alone, or --json" in str(both.exception)


def test_what_serves_is_told_after_it_was_changed(tmp_path, monkeypatch):
    registry, told = open_shop(tmp_path).registry, teller(tmp_path, tmp_path, monkeypatch)
    found = registry.production("default")
    first, other = found.id, another(registry, found, answering=found.answering | {"other": True})
    promoted = told("releases", "promote", other.id)
    assert (promoted["id"], promoted["state"], promoted["models_of"]) == (other.id, "production", other.id)
    back = told("releases", "rollback", "--reason", "test")
    assert (back["id"], back["state"], back["reason"]) == (first, "production", "test")


def test_files_that_were_written_are_named(told, tmp_path):
    written = told("report", "--out", tmp_path / "page.html")
    assert written == {"release_id": 1, "file": str(tmp_path / "page.html")}
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"id": "a", "question": "When does the bakery open?"}))
    run = tmp_path / "run.jsonl"
    assert told("search", "--questions", questions, "--out", run) == {"questions": 1, "file": str(run)}
    assert run.is_file()
