"""Files of questions: real ones with answers, to train and judge on, and plain ones, to search with."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from rag.pairs.json_lines import JsonLines, file_lines
from rag.pairs.pair import Origin, QuestionType

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class RealQuestion(BaseModel):
    """A question that somebody asked, with the answer as somebody gave it."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True, populate_by_name=True)

    id: Text | None = None
    question: Text
    answer: Text
    document: Text | None = None
    """The name of the document that answers it."""
    answer_start: int | None = Field(None, ge=0)
    answer_end: int | None = Field(None, ge=1)
    """Character offsets in the document's text; `answer_end` is exclusive."""
    question_type: QuestionType | None = Field(None, alias="type")
    origin: Origin = Origin.REAL
    line: int = 0

    @model_validator(mode="after")
    def _offsets_are_in_order(self) -> "RealQuestion":
        if self.answer_end is not None and (self.answer_start is None or self.answer_end <= self.answer_start):
            raise ValueError("answer_end needs an answer_start before it")
        return self

    @property
    def label(self) -> str:
        """What messages call it: its id, else its line."""
        return f"question {self.id}" if self.id else f"the question on line {self.line}"


class Turn(BaseModel):
    """An earlier turn of a conversation."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant"] = "user"
    content: Text

    @model_validator(mode="before")
    @classmethod
    def _from_string(cls, value: object) -> object:
        return {"content": value} if isinstance(value, str) else value


class SearchQuestion(BaseModel):
    """A question to search with."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    id: Text
    question: Text
    history: tuple[Turn, ...] = ()
    """Earlier turns, oldest first."""
    restrict_to: Text | None = None
    """The name of the one document to search in."""


def read_questions(path: Path) -> list[RealQuestion]:
    """Read real questions from a file of JSON lines; blank lines are skipped.

    :raises BadQuestions: if the file cannot be read, holds no question, or has a line that cannot be used.
    """
    read = JsonLines(str(path), file_lines(path), "nothing was imported")
    questions = [read.parse(RealQuestion, {**fields, "line": line}, line) for line, fields in read]
    _check_ids(read, [(question.id, question.line) for question in questions])
    return questions


def read_search_questions(path: Path) -> list[SearchQuestion]:
    """Read questions to search with from a file of JSON lines; their ids are unique.

    :raises BadQuestions: if the file cannot be read, holds no question, or has a line that cannot be used.
    """
    read = JsonLines(str(path), file_lines(path), "nothing was searched")
    questions = [(read.parse(SearchQuestion, fields, line), line) for line, fields in read]
    _check_ids(read, [(question.id, line) for question, line in questions])
    return [question for question, _ in questions]


def _check_ids(read: JsonLines, ids: list[tuple[str | None, int]]) -> None:
    first_line: dict[str, int] = {}
    for id_, line in ids:
        if id_ is not None and first_line.setdefault(id_, line) != line:
            raise read.broken(line, f'id "{id_}" is that of line {first_line[id_]}', "give each its own id")
