"""Files of questions: real ones with answers, to train and judge on, and plain ones, to search with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from rag.errors import BadQuestions
from rag.pairs.pair import Origin, QuestionType

Model = TypeVar("Model", bound=BaseModel)
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
    read = _Lines(path, "nothing was imported")
    questions = [read.parse(RealQuestion, {**fields, "line": line}, line) for line, fields in read]
    read.check_ids([(question.id, question.line) for question in questions])
    return questions


def read_search_questions(path: Path) -> list[SearchQuestion]:
    """Read questions to search with from a file of JSON lines; their ids are unique.

    :raises BadQuestions: if the file cannot be read, holds no question, or has a line that cannot be used.
    """
    read = _Lines(path, "nothing was searched")
    questions = [(read.parse(SearchQuestion, fields, line), line) for line, fields in read]
    read.check_ids([(question.id, line) for question, line in questions])
    return [question for question, _ in questions]


class _Lines:
    """The objects of a file of JSON lines, and the one way to complain about them."""

    def __init__(self, path: Path, consequence: str) -> None:
        self.path = path
        self.consequence = consequence

    def __iter__(self) -> Iterator[tuple[int, dict[str, object]]]:
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            reason = error.strerror or "unreadable"
            raise BadQuestions(f"{self.path}: {reason}: give a file of JSON lines; {self.consequence}") from None
        blank = True
        for line, content in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
            if content.strip():
                blank = False
                yield line, self._fields(content, line)
        if blank:
            raise BadQuestions(f"{self.path} holds no question: give one JSON object a line; {self.consequence}")

    def parse(self, model: type[Model], fields: dict[str, object], line: int) -> Model:
        try:
            return model.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            what = first["msg"].removeprefix("Value error, ")
            raise self.broken(line, f'"{where}": {what}' if where else what, "mend that field") from None

    def check_ids(self, ids: list[tuple[str | None, int]]) -> None:
        first_line: dict[str, int] = {}
        for id_, line in ids:
            if id_ is not None and first_line.setdefault(id_, line) != line:
                raise self.broken(line, f'id "{id_}" is that of line {first_line[id_]}', "give each its own id")

    def broken(self, line: int, what: str, remedy: str) -> BadQuestions:
        return BadQuestions(f"{self.path} line {line}: {what}: {remedy}; {self.consequence}")

    def _fields(self, content: bytes, line: int) -> dict[str, object]:
        try:
            fields = json.loads(content.decode("utf-8"))
        except UnicodeDecodeError:
            raise self.broken(line, "is not UTF-8", "save the file as UTF-8") from None
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else "cannot be parsed"
            raise self.broken(line, f"is not JSON ({what})", "put one whole JSON object on the line") from None
        if not isinstance(fields, dict):
            raise self.broken(line, "is not a JSON object", "put one whole JSON object on the line")
        return fields
