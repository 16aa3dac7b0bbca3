import json
from pathlib import Path

import pytest

from rag.errors import BadQuestions
from rag.pairs.pair import QuestionType
from rag.pairs.questions_file import read_questions, read_search_questions

GOOD = {"id": "7", "question": "What is a spate?", "answer": "a hot flush", "document": "a.txt"}


def write(path: Path, *lines: object) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


def test_reads_questions_and_skips_blank_lines(tmp_path):
    file = write(tmp_path / "q.jsonl", GOOD, "", {"question": "Why?", "answer": "so", "type": "analytical"}, "")
    first, second = read_questions(file)
    assert (first.id, first.document, first.line) == ("7", "a.txt", 1)
    assert (second.id, second.question_type, second.line) == (None, QuestionType.ANALYTICAL, 3)


def test_accepts_windows_line_ends_a_byte_order_mark_and_number_ids(tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps({**GOOD, "id": 7}).encode() + b"\r\n")
    assert read_questions(file)[0].id == "7"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{broken", "not JSON"),
        ("[1]", "not a JSON object"),
        ({"question": "q"}, '"answer"'),
        ({**GOOD, "id": "8", "question": " "}, '"question"'),
        ({**GOOD, "id": "8", "answer_end": 5}, "answer_start"),
        ({**GOOD, "id": "8", "answer_start": 9, "answer_end": 5}, "answer_start"),
        ({**GOOD, "id": "8", "answer_start": -1}, '"answer_start"'),
        ({**GOOD, "id": "8", "type": "riddle"}, '"type"'),
        (GOOD, "that of line 1"),
    ],
)
def test_names_the_broken_line_and_that_nothing_was_imported(tmp_path, line, what):
    file = write(tmp_path / "q.jsonl", GOOD, "", line)
    with pytest.raises(BadQuestions) as caught:
        read_questions(file)
    message = str(caught.value)
    assert "q.jsonl line 3" in message and what in message and "nothing was imported" in message
    assert "\n" not in message


def test_refuses_bytes_that_are_no_text_by_line(tmp_path):
    file = tmp_path / "q.jsonl"
    file.write_bytes(json.dumps(GOOD).encode() + b"\n\xff\xfe\n")
    with pytest.raises(BadQuestions, match="line 2: is not UTF-8"):
        read_questions(file)


def test_refuses_a_missing_file_and_an_empty_one(tmp_path):
    with pytest.raises(BadQuestions, match="No such file"):
        read_questions(tmp_path / "none.jsonl")
    with pytest.raises(BadQuestions, match="holds no question"):
        read_questions(write(tmp_path / "empty.jsonl", "", ""))


def test_search_questions_take_history_as_strings_or_turns(tmp_path):
    line = {"id": "1", "question": "and the price?", "restrict_to": "a.txt"}
    history = ["what is Ash?", {"role": "assistant", "content": "A plan."}]
    (question,) = read_search_questions(write(tmp_path / "q.jsonl", {**line, "history": history}))
    assert [(turn.role, turn.content) for turn in question.history] == [
        ("user", "what is Ash?"),
        ("assistant", "A plan."),
    ]
    assert question.restrict_to == "a.txt"


def test_search_questions_need_ids_of_their_own(tmp_path):
    with pytest.raises(BadQuestions, match='line 1: "id"'):
        read_search_questions(write(tmp_path / "a.jsonl", {"question": "what?"}))
    with pytest.raises(BadQuestions, match="line 2: id"):
        read_search_questions(write(tmp_path / "b.jsonl", {"id": 1, "question": "a"}, {"id": "1", "question": "b"}))
