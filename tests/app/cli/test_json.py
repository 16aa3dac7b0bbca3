"""`--json` prints one JSON value and nothing else, whatever the command has to say."""

import json

import pytest
from typer.testing import CliRunner

from app.cli import app
from rag.settings import Settings
from rag.workspace import Workspace


@pytest.fixture
def told(shop, tmp_path, monkeypatch):
    """Run a command of the shop with `--json`, and return what it says."""
    monkeypatch.setenv("RAGLOOP_HOME", str(shop / "home"))
    monkeypatch.setenv("RAGLOOP_KEY_FILE", str(shop / "keyring.json"))
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


def test_what_serves_is_told_after_it_was_changed(told, shop):
    [first] = [row["id"] for row in told("releases", "list") if row["state"] == "production"]
    space = Workspace.open(Settings())
    found = space.registry.get("default", first)
    other = space.registry.register(
        "default",
        parent_id=first,
        reason="test",
        embedder=found.embedder,
        index=found.index,
        answering=found.answering | {"other": True},
        config=found.config,
        lineage=found.lineage,
    )
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
