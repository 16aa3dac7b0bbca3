"""Files of JSON lines that people hand in: read line by line, and complained about in one way."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from rag.errors import BadQuestions

Model = TypeVar("Model", bound=BaseModel)

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""JSON can escape one, which no text can hold."""


def file_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file.

    :raises BadQuestions: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        raise BadQuestions(f"{path}: {error.strerror or 'unreadable'}: give a file of JSON lines") from None


class JsonLines:
    """The objects of some JSON lines, each with its line number, from 1; blank lines are skipped."""

    def __init__(self, name: str, lines: Iterable[bytes], consequence: str) -> None:
        """Read `lines` once; complaints begin with `name` and end with `consequence`."""
        self.name, self.consequence = name, consequence
        self._lines = lines

    def __iter__(self) -> Iterator[tuple[int, dict[str, object]]]:
        """Yield the lines.

        :raises BadQuestions: if there is none, or one is not a JSON object.
        """
        blank = True
        for line, content in enumerate(self._lines, 1):
            content = content.removeprefix(b"\xef\xbb\xbf") if line == 1 else content
            if content.strip():
                blank = False
                yield line, self._fields(content, line)
        if blank:
            raise BadQuestions(f"{self.name} holds no question: give one JSON object a line; {self.consequence}")

    def parse(self, model: type[Model], fields: dict[str, object], line: int) -> Model:
        """Return the object of a line.

        :raises BadQuestions: if the model refuses it.
        """
        try:
            return model.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            what = first["msg"].removeprefix("Value error, ")
            raise self.broken(line, f'"{where}": {what}' if where else what, "mend that field") from None

    def broken(self, line: int, what: str, remedy: str) -> BadQuestions:
        """Return the error to raise for a line."""
        return BadQuestions(f"{self.name} line {line}: {what}: {remedy}; {self.consequence}")

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
        if b"\\u" in content and _HALF_CHARACTER.search(json.dumps(fields, ensure_ascii=False)):
            raise self.broken(line, "holds half of a character (\\ud800 to \\udfff alone)", "write it whole")
        return fields
