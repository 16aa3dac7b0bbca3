"""The pictures of a page about a release that no other page has."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.evaluation.pictures import GAINED, INK, LOST, RULE, UNSURE, color_of, new_figure, note, plain, png_of
from rag.report.paired import RUNGS, Slice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 24
"""Slices at most in a picture: half of the lowest gains, half of the highest."""
_NAME = 34
"""Characters of a slice's name that are drawn."""


def forest_picture(slices: Sequence[Slice], title: str) -> bytes:
    """Return a PNG, 1200 px wide: the paired gain of each slice with its interval, in their order.

    A slice of one question, or of one document where documents are drawn, is a mark alone.
    """
    shown = slices if len(slices) <= SHOWN else [*slices[: SHOWN // 2], *slices[-SHOWN // 2 :]]
    figure = new_figure(title, height_in=1.3 + 0.4 * max(len(shown), 2))
    axes = figure.subplots()
    for row, each in enumerate(shown):
        color = color_of(each.gain) if each.n_drawn > 1 else UNSURE
        if each.n_drawn > 1:
            axes.plot([each.gain.low, each.gain.high], [row, row], color=color, linewidth=2.5, solid_capstyle="butt")
        axes.plot(each.gain.mean, row, "D", color=color, markersize=7)
        note(axes, f"{each.gain.mean:+.3f}", (each.gain.mean, row), (0, 8), ha="center")
    names = [f"{_short(each.name)}  ({each.n_questions})" for each in shown]
    # What people call their documents is no mathematics, whatever dollar signs are in it.
    axes.set_yticks(range(len(shown)), names, parse_math=False)
    axes.set_ylim(max(len(shown), 2) - 0.5, -0.8)
    axes.axvline(0, color=INK, linewidth=1)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=7)
    left_out = f"; {len(slices) - SHOWN} between are left out" if len(slices) > SHOWN else ""
    plain(axes, f"Paired gain and its interval (number of questions){left_out}", grid="x")
    return png_of(figure)


def ranks_picture(counts: Sequence[Sequence[int]], title: str) -> bytes:
    """Return a PNG, 1200 px wide: how many questions went from which rank of their evidence to which.

    :param counts: a row for each of RUNGS before, a column for each after.
    """
    figure = new_figure(title, height_in=4.4)
    axes = figure.subplots()
    most = max((count for row in counts for count in row), default=0)
    for before, row in enumerate(counts):
        for after, count in enumerate(row):
            _cell(axes, before, after, count, most)
    places = range(len(RUNGS))
    axes.set_xticks(places, RUNGS)
    axes.set_yticks(places, RUNGS)
    axes.set_xlim(-0.5, len(RUNGS) - 0.5)
    axes.set_ylim(len(RUNGS) - 0.5, -0.5)
    axes.set_xlabel("rank of the evidence after", color=INK)
    axes.set_ylabel("before", color=INK)
    plain(axes, "Questions: blue rose, orange fell, grey stayed", grid="x")
    axes.grid(visible=False)
    return png_of(figure)


def _cell(axes: "Axes", before: int, after: int, count: int, most: int) -> None:
    """Draw a square, the stronger the more questions."""
    from matplotlib.patches import Rectangle

    color = GAINED if after < before else LOST if after > before else UNSURE
    alpha = 0.15 + 0.55 * count / most if count else 0.0
    axes.add_patch(
        Rectangle((after - 0.47, before - 0.47), 0.94, 0.94, facecolor=(color, alpha), edgecolor=RULE, linewidth=1)
    )
    if count:
        axes.text(after, before, f"{count}", ha="center", va="center", color=INK, fontsize=11)


def _short(name: str) -> str:
    """Return a name that fits beside the rows, in one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return line if len(line) <= _NAME else f"{line[: _NAME // 2]}…{line[-_NAME // 2 + 1 :]}"
