"""Which true gain is found how often, by the number of questions, as a picture."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from rag.evaluation.pictures import DPI, GRAY, INK, RULE
from rag.evaluation.significance import POWER

from .paired import Floats

_GAINS = np.linspace(0, 0.1, 101)
_SHADES = ("#c6dbef", "#6baed6", "#2171b5", "#08306b")
"""Of one blue, the darker the more questions."""
_MARKERS = "so^D"


def picture(lows: Mapping[tuple[str, int], Floats], title: str) -> bytes:
    """Return a PNG with a panel for each metric and a curve for each number of questions.

    :param lows: by metric and number of questions, the lower ends of intervals where there is no gain, (draws,).
    """
    metrics = list(dict.fromkeys(metric for metric, _ in lows))
    room = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(1 + 4.2 * len(metrics), 4.4), dpi=DPI, facecolor="white", layout=room)
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        for place, n in enumerate(n for own, n in lows if own == metric):
            _draw(axes, lows[metric, n], f"{n} questions", place)
        _plain(axes, metric)
        axes.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=INK)
    panels[0].set_ylabel("found", color=INK)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw(axes: Axes, ends: Floats, label: str, place: int) -> None:
    """Draw how often each gain is found, with a mark where it is often enough."""
    color, marker = _SHADES[place % len(_SHADES)], _MARKERS[place % len(_MARKERS)]
    axes.plot(100 * _GAINS, [np.mean(ends > -gain) for gain in _GAINS], color=color, linewidth=2.5)
    enough = 100 * float(np.quantile(-ends, POWER))
    axes.plot(enough, POWER, marker, color=color, markersize=8, label=f"{label}: {enough:.1f}")


def _plain(axes: Axes, metric: str) -> None:
    axes.set_title(f"{metric}: true gain, in points", loc="left", fontsize=10, color=INK)
    axes.axhline(POWER, color=GRAY, linewidth=1, linestyle="--")
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.05, 0.2, 0.4, 0.6, POWER, 1])
    axes.set_xlim(0, 100 * _GAINS[-1])
    axes.set_axisbelow(True)
    axes.grid(color=RULE)
    axes.tick_params(length=0, labelsize=9.5, colors=INK)
    axes.spines[:].set_visible(False)
