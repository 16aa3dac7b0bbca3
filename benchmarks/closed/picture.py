"""What each arm serves, round by round, in one picture."""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from quality.results import mean

from rag.evaluation.pictures import DPI, GAINED, GRAY, INK, LOST, RULE

from .plan import DEV, HELD_OUT
from .results import METRICS, Results

STYLES = {
    "loop": (GAINED, "D"),
    "unheard": ("#cc79a7", "v"),
    "untouched": (GRAY, "o"),
    "ungated": (LOST, "s"),
    "hostile": ("#009e73", "^"),
}
"""Colour and marker of each arm."""
PANELS = {DEV: "Articles of dev.jsonl", HELD_OUT: "Held-out articles of train.jsonl"}


def picture(results: Results, title: str) -> bytes:
    """Return a PNG with a row for each metric and a panel in it for each set of questions."""
    room = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(8.3, 7.2), dpi=DPI, facecolor="white", layout=room)
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    panels = figure.subplots(len(METRICS), len(PANELS), sharex=True, sharey="row")
    for row, metric in zip(panels, METRICS, strict=True):
        for axes, name in zip(row, PANELS, strict=True):
            _draw(axes, results, name, metric)
        row[0].set_ylabel(metric, color=INK)
    for axes, name in zip(panels[0], PANELS, strict=True):
        n = len(results.points[0].of(name))
        axes.set_title(f"{PANELS[name]}, {n} questions", loc="left", fontsize=10, color=INK)
    for axes in panels[-1]:
        axes.set_xlabel("rounds of questions, feedback and retraining", color=INK)
    labels = panels[0][0].get_legend_handles_labels()
    figure.legend(*labels, loc="outside lower left", ncols=len(STYLES), fontsize=9, frameon=False)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw(axes: Axes, results: Results, name: str, metric: str) -> None:
    for arm in results.arms:
        points, (color, marker) = results.arm(arm), STYLES[arm]
        scores = [mean(point.of(name), metric) for point in points]
        places = [point.round for point in points]
        axes.plot(places, scores, marker=marker, color=color, linewidth=2, markersize=6, label=arm, alpha=0.9)
    axes.set_xticks(range(max(point.round for point in results.points) + 1))
    axes.set_axisbelow(True)
    axes.grid(color=RULE)
    axes.margins(y=0.15)
    axes.tick_params(length=0, labelsize=9.5, colors=INK)
    axes.spines[:].set_visible(False)
