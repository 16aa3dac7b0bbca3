"""Results as a terminal of some width shows them, and as a pipe passes them on."""

import json
import os
import re
import sys

import pytest

from app.doctor.finding import State
from tests.app.cli.conftest import in_terminal

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROWS = [
    {
        "name": f"handbook/chapter-{number}.md",
        "passages": number,
        "split": "training",
        "why": "it says [bold]how[/bold] to reset the outdoor unit :warning: " * 3,
        "ingested at": "2026-11-22 14:30",
        "state": "a:1:b",
    }
    for number in (1, 20)
]
SHOW = f"from app.output import show_rows; show_rows({ROWS!r}, 'documents of a collection with a long name', False)"


def shown_rows(columns, environment):
    return in_terminal([sys.executable, "-c", SHOW], columns, environment)


def test_a_wide_terminal_shows_a_table_with_words_in_bold(installed):
    shown = shown_rows(200, installed.environment)
    assert "┏" in shown and "\x1b[1m" in shown
    assert max(map(len, ESCAPE.sub("", shown).splitlines())) <= 200
    assert "a:1:b" in shown and "[bold]how[/bold]" in shown and ":warning:" in shown


@pytest.mark.parametrize("columns", [60, 40])
def test_a_narrow_terminal_lists_each_row_by_its_columns(installed, columns):
    lines = ESCAPE.sub("", shown_rows(columns, installed.environment)).splitlines()
    assert max(map(len, lines)) <= columns
    assert not any("┏" in line for line in lines)
    for row in ROWS:
        assert any(re.fullmatch(rf"name +{re.escape(row['name'])} *", line) for line in lines)
    assert sum(line.startswith("ingested at  2026-11-22 14:30") for line in lines) == len(ROWS)


def test_few_columns_stay_a_table_in_a_narrow_terminal(installed):
    code = "from app.output import show_rows; show_rows([{'id': 7, 'state': 'production'}], 'releases', False)"
    assert "┏" in in_terminal([sys.executable, "-c", code], 60, installed.environment)


@pytest.mark.parametrize("said", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_who_wants_no_colours_gets_none(installed, said):
    assert "\x1b" not in shown_rows(200, installed.environment | said)


def test_a_pipe_gets_whole_lines_without_colours(installed):
    piped = installed.run(sys.executable, "-c", SHOW, COLUMNS="60")
    assert "\x1b" not in piped.stdout
    for row in ROWS:
        assert any(all(str(value).strip() in line for value in row.values()) for line in piped.stdout.splitlines())


def test_the_doctor_colours_its_marks_in_a_terminal_alone(installed):
    environment = installed.environment
    coloured = in_terminal(["ragloop", "doctor"], 220, environment)
    assert "\x1b[32mok" in coloured and "\x1b[33mnote" in coloured
    plain = in_terminal(["ragloop", "doctor"], 60, environment | {"NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 60
    piped, rows = installed.run("ragloop", "doctor"), json.loads(installed.run("ragloop", "doctor", "--json").stdout)
    assert "\x1b" not in piped.stdout
    lines = piped.stdout.splitlines()
    for row in rows:  # what it says of ports and the disk may be another by now
        assert any(row["check"] in line and any(state in line for state in State) for line in lines), row


def test_progress_goes_to_standard_error_alone(installed, tmp_path):
    done = installed.run("ragloop", "pairs", "export", str(tmp_path / "pairs"), "--json")
    assert done.returncode == 0, done.stderr
    assert all(os.path.isfile(path) for path in json.loads(done.stdout).values())
    assert "· " in done.stderr and "\x1b" not in done.stderr


@pytest.mark.parametrize(("said", "dim"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_what_is_said_beside_a_result_is_dim_unless_no_colours_are_wanted(installed, said, dim):
    code = "from app.output import say_aside; say_aside('answered by extractive in [0.1] s')"
    shown = in_terminal([sys.executable, "-c", code], 80, installed.environment | said)
    assert ("\x1b[2m" in shown) == dim
    assert ESCAPE.sub("", shown) == "answered by extractive in [0.1] s\n"
    piped = installed.run(sys.executable, "-c", code)
    assert (piped.stdout, piped.stderr) == ("", "answered by extractive in [0.1] s\n")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("ask --fast", "No such option: --fast. See `ragloop ask --help`"),
        ("asks", "No such command 'asks'. Did you mean 'ask'? See `ragloop --help`"),
        ("releases promote", "Missing argument 'release'. See `ragloop releases promote --help`"),
        ("keys create --role", "Option '--role' requires an argument. See `ragloop --help`"),
    ],
)
def test_what_is_no_command_option_or_value_is_named_in_one_line(homeless, words, line):
    done = homeless.run("ragloop", *words.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"ragloop: {line}\n")


@pytest.mark.parametrize("words", ["", "releases"])
def test_without_a_command_there_is_help_and_no_complaint(homeless, words):
    done = homeless.run("ragloop", *words.split())
    assert (done.returncode, done.stderr) == (2, "")
    assert "Usage: ragloop" in done.stdout


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("long " * 20_000, "the question has 100000 characters: ask in 4000 characters or fewer"),
        (b"caf\xe9?", "the question holds bytes that are no UTF-8: type it anew, or save its file as UTF-8"),
    ],
)
def test_a_question_that_cannot_be_taken_is_named_with_the_remedy(installed, question, line):
    done = installed.run("ragloop", "ask", question)
    assert (done.returncode, done.stderr) == (2, f"ragloop: {line}\n")


def test_people_read_words_where_programs_read_keys_and_no_name_writes_into_the_terminal(installed):
    row = {"n_pages": 1, "parent_id": 2, "created_at": "now", "name": "red\x1b[31m.txt"}
    code = f"from app.output import show_rows; show_rows([{row!r}], 'documents', False)"
    shown = installed.run(sys.executable, "-c", code).stdout
    assert [word for word in re.split(r"[^a-z]+", shown.splitlines()[2]) if word] == [
        "pages",
        "parent",
        "created",
        "name",
    ]
    assert "\x1b" not in shown and "red\ufffd[31m.txt" in shown


def test_a_release_is_shown_in_words(installed):
    shown = installed.run("ragloop", "releases", "show", "production").stdout
    assert "{" not in shown and "relevance-feedback" in shown and "llm (temperature 0.7" in shown, shown


@pytest.mark.parametrize("words", [["ask", "What does rye bread cost?"], ["search", "bread"]])
def test_loading_is_said_beside_the_result(installed, words):
    done = installed.run("ragloop", *words)
    assert done.stderr.startswith("loading…\n") and "loading" not in done.stdout
