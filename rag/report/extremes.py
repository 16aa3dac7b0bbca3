"""The section of the questions that went worst and best."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rag.report.changes import Row
from rag.report.example import Example
from rag.report.paired import Scored, extremes
from rag.report.section import Section, Table

SHOWN = 10
"""Regressions that are shown at most, and gains."""
_Question = TypeVar("_Question", bound=Scored)


def examples_section(
    pairs: Sequence[tuple[_Question, _Question]],
    metric: str,
    row: Callable[[tuple[_Question, _Question]], Row],
    example: Callable[[tuple[_Question, _Question]], Example] | None,
) -> Section:
    """Return the questions whose metric changed most.

    :param row: what is said of a question without its text.
    :param example: what is said with it; None to say it of none.
    """
    titled = zip(("Worst regressions", "Best gains"), extremes(pairs, metric, SHOWN), strict=True)
    shown = [(title, some) for title, some in titled if some]
    name, title = "questions", "Regressions and gains"
    said = f"The questions whose {metric} changed most, {SHOWN} at most of each." if shown else "No question changed."
    if example is None:
        said += " Their texts are in the file that `ragloop report` writes."
        return Section(name, title, [said], tables=[Table(what, [row(pair) for pair in some]) for what, some in shown])
    return Section(name, title, [said], examples=[(what, [example(pair) for pair in some]) for what, some in shown])
