"""Quality over training seconds, ours and the plain recipe, in one picture."""

import io
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from rag.evaluation.pictures import DPI, GAINED, GRAY, INK, LOST, RULE

from .results import OURS, PLAIN, CurvePoint, mean

METRIC = "mrr@10"
PANELS = {"dense": "dense", "mixed": "mixed", "re-ranked": "mixed"}
"""Row of ours -> row of the plain recipe beside it, which has no reranker: its best."""
_STYLE = {OURS: (GAINED, "D", "ragloop"), PLAIN: (LOST, "o", "plain sentence-transformers")}


class Point(NamedTuple):
    """A point of a curve, pooled over splits."""

    seconds: float
    score: float


def pooled(curve: Sequence[CurvePoint], recipe: str, row: str) -> list[Point]:
    """Return a recipe's curve: at each place the mean seconds of the splits, and the mean over all their questions."""
    points = [point for point in curve if (point.recipe, point.row) == (recipe, row)]
    by_place = [[p for p in points if p.place == place] for place in sorted({p.place for p in points})]
    return [
        Point(sum(p.seconds for p in own) / len(own), mean([a for p in own for a in p.answers], METRIC))
        for own in by_place
    ]


def picture(curve: Sequence[CurvePoint], title: str) -> bytes:
    """Return a PNG with a panel for each row."""
    rows = [row for row in PANELS if pooled(curve, OURS, row)]
    room = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(1.5 + 3.4 * len(rows), 4.2), dpi=DPI, facecolor="white", layout=room)
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    panels = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    for axes, row in zip(panels, rows, strict=True):
        end = max(point.seconds for name in _STYLE for point in pooled(curve, name, "mixed"))
        for recipe, own_row in ((OURS, row), (PLAIN, PANELS[row])):
            _draw(axes, recipe, pooled(curve, recipe, own_row), end)
        _plain(axes, row if row == PANELS[row] else f"{row} (plain: {PANELS[row]})")
    panels[0].set_ylabel(f"{METRIC.upper()} on unseen articles", color=INK)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw(axes: Axes, recipe: str, points: Sequence[Point], end: float) -> None:
    """Draw a curve; dotted from its last model on, which is what one has from then on."""
    color, marker, label = _STYLE[recipe]
    seconds, scores = [p.seconds for p in points], [p.score for p in points]
    axes.plot(seconds, scores, marker=marker, color=color, linewidth=2.5, markersize=7, label=label)
    axes.plot([seconds[-1], end], [scores[-1]] * 2, ":", color=color, linewidth=2)
    axes.annotate(
        f"{scores[-1]:.3f}", (seconds[-1], scores[-1]), (0, 8), textcoords="offset points", ha="right", color=INK
    )
    if recipe == PLAIN:
        axes.axvline(seconds[-1], color=GRAY, linewidth=1, linestyle="--")


def _plain(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel("seconds in training steps", color=INK)
    axes.set_axisbelow(True)
    axes.grid(color=RULE)
    axes.margins(y=0.15)
    axes.tick_params(length=0, labelsize=9.5, colors=INK)
    axes.spines[:].set_visible(False)
