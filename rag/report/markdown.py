"""The same page as markdown, without what people wrote: what shows it, Prefect's database, is not sealed."""

import html
import re
from collections.abc import Mapping

from rag.evaluation.tables import picture_markdown
from rag.report.facts import ReleaseReport
from rag.report.section import Section, Table
from rag.report.sections import headline, sections, sentence, title_of

ROWS = 40
"""Of a table, at most: the first half and the last."""
_MARKS = re.compile(r"([\\`*_\[\]|#~])")


def markdown_page(report: ReleaseReport, links: Mapping[str, str] | None = None) -> str:
    """Return the page, with its pictures inside it; questions are ids.

    :param links: addresses, by what they lead to.
    """
    parts = [f"# {_text(title_of(report))}: {headline(report)}", _text(sentence(report))]
    if links:
        parts.append(" · ".join(f"[{_text(what)}]({address})" for what, address in links.items()))
    for section in sections(report):
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"## {_text(section.title)}", *map(_text, section.says)]
    parts += [picture_markdown(_text(picture.title), picture.png) for picture in section.pictures]
    for table in section.tables:
        if table.rows:
            parts += [f"**{_text(table.caption)}**", table_markdown(table)]
    return parts


def table_markdown(table: Table) -> str:
    """Return a table that has rows, shortened in its middle if it is long."""
    left_out = len(table.rows) - ROWS
    rows = table.rows if left_out <= 0 else [*table.rows[: ROWS // 2], *table.rows[-ROWS // 2 :]]
    names = [column.name for column in table.columns]
    lines = [names, ["---:" if column.numeric else "---" for column in table.columns]]
    lines += [[row[name] for name in names] for row in rows]
    said = [_line(lines[0], escaped=True), _line(lines[1], escaped=False)]
    said += [_line(line, escaped=True) for line in lines[2:]]
    return "\n".join(said) + (f"\n\n{left_out:,} rows in the middle are left out." if left_out > 0 else "")


def _line(cells: list[str], escaped: bool) -> str:
    return f"| {' | '.join(_text(each) if escaped else each for each in cells)} |"


def _text(said: str) -> str:
    """Return text that markdown takes for nothing else; what documents are called is up to people."""
    return _MARKS.sub(r"\\\1", html.escape(" ".join(said.split()), quote=False))
