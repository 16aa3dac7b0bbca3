"""What a page about a release is made of, before it is HTML or markdown."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rag.report.example import Example

_NUMERIC = re.compile(r"[+−-]?\d[\d.,]*( ?%| ?[a-zA-Z]{1,2})?( \[.*\])?")
"""A number, with its unit or its interval."""


NARROW = 24
"""Characters of a cell that does not break."""


class Column(NamedTuple):
    """A column, and how it looks."""

    name: str
    numeric: bool
    """Numbers stand to the right."""
    narrow: bool
    """What is short stays in one line."""


class Table:
    """Rows of the same columns, and what they show; nothing is drawn of one without rows."""

    def __init__(self, caption: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self.caption = caption
        self.rows = [{name: cell(value) for name, value in row.items()} for row in rows]

    @property
    def columns(self) -> list[Column]:
        """Those of the first row."""
        return [self._column(name) for name in (self.rows[0] if self.rows else ())]

    def _column(self, name: str) -> Column:
        said = [row[name] for row in self.rows if row[name]]
        numeric = bool(said) and all(_NUMERIC.fullmatch(value) for value in said)
        return Column(name, numeric, narrow=all(len(value) <= NARROW for value in said))


class Picture(NamedTuple):
    """A PNG, and what it shows in words."""

    title: str
    png: bytes


class Section(NamedTuple):
    """A part of the page."""

    name: str
    """Where links within the page lead."""
    title: str
    says: Sequence[str] = ()
    """Paragraphs before all else."""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    examples: Sequence[tuple[str, Sequence[Example]]] = ()
    """Questions with their passages, by what they show: texts that people wrote, in clear."""


def cell(value: Any) -> str:
    """Return a value as it stands in a table: times in UTC, shares to three places, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
