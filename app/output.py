"""How results look in a terminal: tables, or JSON for programs."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm


def show_rows(rows: Sequence[Mapping[str, Any]], title: str, as_json: bool, empty: str = "nothing yet") -> None:
    """Print rows as a table, or as a JSON list."""
    if as_json:
        print(json.dumps([dict(row) for row in rows], indent=2, default=str))
        return
    if not rows:
        print(f"{title}: {empty}")
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for name, value in rows[0].items():
        table.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    return "" if value is None else escape(str(value))


def show_facts(facts: Mapping[str, Any], as_json: bool) -> None:
    """Print one thing's facts, a line each, or as a JSON object."""
    if as_json:
        print(json.dumps(dict(facts), indent=2, default=str))
        return
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:<{width}}  {'' if value is None else value}")


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
