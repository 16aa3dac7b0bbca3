"""`ragloop ask` as a person meets it, in a terminal and in a pipe."""

import json
import os
import pty
import subprocess

import pytest
from sqlmodel import select

from rag.settings import Settings
from rag.workspace import Workspace
from storage.tables import FeedbackRow, InteractionRow
from tests.e2e.conftest import ROOT

QUESTION = "How far from the wall is the outdoor unit of the Elmen?"


def space_of(ragloop):
    return Workspace.open(Settings(home=ragloop.home, key_file=ragloop.folder / "keys" / "keyring.json"))


class Terminal:
    """A command in a terminal of its own."""

    def __init__(self, ragloop, *arguments):
        self._own, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ragloop.command(*arguments), cwd=ROOT, env=ragloop.environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.shown = ""

    def until(self, words):
        """Read until it shows these words, or ends."""
        while words not in self.shown:
            try:
                self.shown += os.read(self._own, 4096).decode(errors="replace")
            except OSError:
                break
        return self.shown

    def type(self, line):
        os.write(self._own, f"{line}\n".encode())
        self.shown = ""

    def end(self):
        self.until("\0")
        os.close(self._own)
        return self.process.wait(timeout=60)


def test_in_a_terminal_the_answer_its_sources_and_a_thumb(company):
    terminal = Terminal(company, "ask", QUESTION)
    shown = terminal.until("neither")
    assert "The lung of the Elmen stands at least 38 centimetres from any wall" in shown
    assert "elmen.md, page 1: " in shown
    assert "answered by extractive" in shown and "groq did not answer: no key" in shown
    terminal.type("u")
    assert terminal.end() == 0
    with space_of(company).database.reading() as session:
        thumb = session.exec(select(FeedbackRow).where(FeedbackRow.kind == "thumb_up")).all()[-1]
        assert session.get(InteractionRow, thumb.interaction_id).question == QUESTION


def test_without_a_question_a_conversation_remembers_what_was_said(company):
    terminal = Terminal(company, "ask", "--no-feedback")
    terminal.until("> ")
    terminal.type("How long is the warranty of the Birk?")
    assert "runs for" in terminal.until("> ")
    terminal.type("And a firmware update of it?")
    terminal.until("> ")
    terminal.type("")
    assert terminal.end() == 0
    with space_of(company).database.reading() as session:
        rows = session.exec(select(InteractionRow)).all()
        second = next(row for row in rows if row.question == "And a firmware update of it?")
        assert "warranty of the Birk" in second.history
        assert second.retrieved


def test_a_question_that_cannot_be_answered_does_not_end_the_conversation(company):
    terminal = Terminal(company, "ask", "--no-feedback", "--document", "nowhere.md")
    terminal.until("> ")
    for _ in range(2):
        terminal.type(QUESTION)
        assert "ragloop: no document is named 'nowhere.md'" in terminal.until("ends)> ")
    terminal.type("")
    assert terminal.end() == 0


def test_in_a_pipe_the_answer_is_plain_or_json(company):
    plain = company.ok("ask", QUESTION)
    assert plain.count("The lung of the Elmen") == 2  # said, and quoted as the source
    assert "good?" not in plain
    answer = json.loads(company.ok("ask", QUESTION, "--json", "--document", "elmen.md"))
    assert answer["found"] and answer["citations"][0]["document"] == "elmen.md"
    assert {hit["chunk"]["document"] for hit in answer["hits"]} == {"elmen.md"}


def test_the_way_that_an_answer_came_is_said(company):
    done = company("ask", QUESTION, "--way", "rag")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("answered by extractive from the passages in ")
    assert json.loads(company.ok("ask", QUESTION, "--way", "rag", "--json"))["way"] == "rag"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no question"),
        ([QUESTION, "--way", "guess"], "give rag, closed-book, hybrid"),
        ([QUESTION, "--way", "hybrid"], "ragloop chat train"),
        (["  "], "empty"),
        ([QUESTION, "--document", "nowhere.md"], "nowhere.md"),
        ([QUESTION, "--collection", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_asked_is_one_line(company, arguments, words):
    assert words in company.refused("ask", *arguments)
