"""`ragloop explain` as a person and a program meet it."""

import json

import pytest
from typer.testing import CliRunner

from app.cli import app
from rag.errors import UnreadableDocument
from storage.errors import ReleaseNotFound

OPENS = "When does the bakery open?"


@pytest.fixture
def explain(shop, monkeypatch):
    """Run `ragloop explain` in that home."""
    monkeypatch.setenv("RAGLOOP_HOME", str(shop / "home"))
    monkeypatch.setenv("RAGLOOP_KEY_FILE", str(shop / "keyring.json"))
    return lambda *arguments: CliRunner().invoke(app, ["explain", *arguments], env={"COLUMNS": "160"})


def test_the_diagnosis_comes_first_and_then_each_stage(explain):
    shown = explain(OPENS)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.startswith("answered from [1] bakery.txt, page 1 by extractive")
    for part in (
        "threshold",
        "0.25 (prior)",
        "words of the question",
        "re-ranked",
        "cited as",
        "who was asked",
        "1.00",
    ):
        assert part in shown.stdout


def test_json_is_the_whole_of_it(explain):
    told = json.loads(explain("Who is on a sabbatical?", "--json").stdout)
    assert "hold no passage with 'sabbatical'" in told["diagnosis"]
    assert told["missing"] == ["sabbatical"]
    restricted = json.loads(explain(OPENS, "--document", "cheese.txt", "--json").stdout)
    assert restricted["restriction"]["documents"] == ["cheese.txt"]


@pytest.mark.parametrize(
    ("arguments", "kind", "word"),
    [
        ((OPENS, "--document", "none.txt"), UnreadableDocument, "none.txt"),
        ((OPENS, "--release", "9"), ReleaseNotFound, "no release 9"),
        ((OPENS, "--way", "guess"), Exception, "no way to answer is called 'guess'"),
        (("  ",), Exception, "the question is empty"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_a_line(explain, arguments, kind, word):
    refused = explain(*arguments)
    assert isinstance(refused.exception, kind)
    assert word in str(refused.exception) and "\n" not in str(refused.exception)
