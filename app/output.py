"""How results look in a terminal: tables, or JSON for programs."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

MIN_COLUMN = 14
"""Characters that a table's column needs to be read; where a terminal is too narrow for that, rows are listed."""
_UNBOUNDED = 100_000


def show_json(value: Any) -> None:
    """Print what a program reads: times are UTC as `2026-11-22T18:05:46Z`, and what is no number is null."""
    print(to_json(value, indent=2, inf_nan_mode="null").decode())


def show_rows(rows: Sequence[Mapping[str, Any]], title: str, as_json: bool, empty: str = "nothing yet") -> None:
    """Print rows as a table, or as a JSON list; a row's value may be a `Text` with a colour.

    A field's name is its JSON key; people read it as words, `n_pages` as pages and `created_at` as created.
    """
    if as_json:
        show_json(rows)
        return
    if not rows:
        print(f"{title}: {empty}")
        return
    cells = [{_words(name): _cell(value) for name, value in row.items()} for row in rows]
    console = _console()
    console.print(title, style="italic")
    if _table_width(cells) <= console.width:
        console.print(_table(list(rows[0].values()), cells))
        return
    for row in cells:
        console.print(_listed(row), "", sep="\n")


def _console(stderr: bool = False) -> Console:
    """Return where to print: as wide as the terminal, without bounds in a pipe, where no line is to be broken."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        width=None if stream.isatty() else _UNBOUNDED,
        color_system=None if os.environ.get("NO_COLOR") else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def _words(name: str) -> str:
    return name.removeprefix("n_").removesuffix("_at").removesuffix("_id").replace("_", " ")


def _table(first: Sequence[Any], cells: Sequence[Mapping[str, Text]]) -> Table:
    table = Table(header_style="bold")
    for name, value in zip(cells[0], first, strict=True):
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in cells:
        table.add_row(*row.values())
    return table


def _table_width(cells: Sequence[Mapping[str, Text]]) -> int:
    """Return the width below which a table cannot be read."""
    longest = {name: max(len(name), *(_width(row[name]) for row in cells)) for name in cells[0]}
    return 1 + sum(3 + min(width, MIN_COLUMN) for width in longest.values())


def _width(cell: Text) -> int:
    return max((line.cell_len for line in cell.split()), default=0)


def _listed(row: Mapping[str, Text]) -> Table:
    """Return a row with a line for each of its columns."""
    listed = Table.grid(padding=(0, 2))
    listed.add_column(no_wrap=True, style="bold")
    listed.add_column(overflow="fold")
    for name, cell in row.items():
        listed.add_row(name, cell)
    return listed


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, datetime):
        return Text(value.astimezone().strftime("%Y-%m-%d %H:%M"))
    said = "" if value is None else str(value)
    return Text("".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in said))


def show_facts(facts: Mapping[str, Any], as_json: bool) -> None:
    """Print one thing's facts, a line each, or as a JSON object."""
    if as_json:
        show_json(facts)
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:<{width}}  {'' if value is None else value}")


def show_done(said: str, facts: Mapping[str, Any], as_json: bool) -> None:
    """Print what was done in a sentence, or its facts as a JSON object."""
    if as_json:
        show_facts(facts, as_json)
    else:
        print(said)


def say_aside(line: str) -> None:
    """Print a line that is no result, dim, on standard error."""
    _console(stderr=True).print(line, style="dim", soft_wrap=True)


def say_steps() -> None:
    """Let the library's log lines show as what is going on, on standard error."""
    handler = _AboveBars()
    handler.setFormatter(logging.Formatter("· %(message)s"))
    for name in ("rag", "storage", "deployments"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


class _AboveBars(logging.Handler):
    """Writes lines so that a progress bar below them stays whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        tqdm.write(self.format(record), file=sys.stderr)
