"""Evaluations as pictures: PNG files, made without a display and without matplotlib's global state."""

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rag.answering.answer import Way
from rag.evaluation.asked import Group
from rag.evaluation.gate import Decision, Verdict
from rag.evaluation.significance import Interval
from rag.evaluation.way_report import F1, MIXED, ROUTED, WayReport
from storage.release import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRAY, RULE = "#222222", "#8a8a8a", "#e4e4e4"
GAINED, LOST, UNSURE = "#0072b2", "#d55e00", "#8a8a8a"
"""Blue and vermilion of Okabe and Ito (2008), which the colour-blind tell apart; markers and places differ as well."""
WIDTH_IN, DPI = 8.0, 150
WAY_STYLES = {
    Way.CLOSED_BOOK: ("#d55e00", "s"),
    Way.RAG: (INK, "o"),
    Way.HYBRID: ("#009e73", "^"),
    ROUTED: ("#0072b2", "D"),
}
"""Colour and marker of each way that is compared."""
APART = 0.15
"""Of a row: how far ways stand below each other."""
SHOWN = 12
"""Releases at most in a history, the latest."""


def comparison_picture(verdict: Verdict, title: str) -> bytes:
    """Return a PNG, 1200 px wide: each metric before and after, and the paired gain with its interval."""
    metrics = list(verdict.gains)
    figure = new_figure(f"{title}: {verdict.decision}", height_in=1.8 + 0.55 * len(metrics))
    color = GAINED if verdict.decision is Decision.PROMOTE else LOST
    figure.supxlabel("\n".join(textwrap.wrap(verdict.reason, 110)), x=0.02, ha="left", fontsize=9.5, color=color)
    values, gains = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, metric in enumerate(metrics):
        gain = verdict.gains[metric]
        color = color_of(gain)
        _before_and_after(values, [(verdict.before[metric], row), (verdict.after[metric], row)], color, "D")
        gains.plot([gain.low, gain.high], [row, row], color=color, linewidth=2.5, solid_capstyle="butt")
        gains.plot(gain.mean, row, "D", color=color, markersize=8)
        note(gains, f"{gain.mean:+.3f}", (gain.mean, row), (0, 8), ha="center")
    labels = [f"{metric}\n{verdict.before[metric]:.3f} → {verdict.after[metric]:.3f}" for metric in metrics]
    values.set_yticks(range(len(metrics)), labels, ha="left")
    values.tick_params(axis="y", pad=92)
    values.set_ylim(len(metrics) - 0.4, -0.7)
    values.set_xlim(-0.03, 1.03)
    values.set_xticks([0, 0.25, 0.5, 0.75, 1])
    gains.axvline(0, color=INK, linewidth=1)
    gains.margins(x=0.15)
    gains.locator_params(axis="x", nbins=5)
    plain(values, f"Before ○ and after ◆, {verdict.n_questions} {verdict.origin} questions", grid="x")
    plain(gains, "Paired gain and its interval", grid="x")
    return png_of(figure)


def history_picture(evaluations: Sequence[Evaluation], metric: str, title: str) -> bytes:
    """Return a PNG, 1200 px wide: what each judged release scored beside what served, and whether it was promoted.

    :param evaluations: in the order in which they were made; those without a verdict on the metric are left out.
    """
    verdicts = [(row, Verdict.model_validate(row.metrics)) for row in evaluations if row.verdict]
    shown = [(row, verdict) for row, verdict in verdicts if metric in verdict.gains][-SHOWN:]
    figure = new_figure(title, height_in=4.2)
    axes = figure.subplots()
    for place, (_, verdict) in enumerate(shown):
        before, after = (place, verdict.before[metric]), (place, verdict.after[metric])
        promoted = verdict.decision is Decision.PROMOTE
        _before_and_after(axes, [before, after], GAINED if promoted else LOST, "D" if promoted else "X")
        note(axes, f"{verdict.after[metric]:.3f}", after, (8, -4), ha="left")
    axes.set_xticks(range(len(shown)), [f"{row.release_id}\n{row.created_at:%d %b}" for row, _ in shown])
    axes.set_xlim(-0.5, max(len(shown) - 0.3, 0.5))
    axes.margins(y=0.15)
    axes.set_xlabel("release", color=INK)
    heading = f"{metric}: what served ○, and the candidate, promoted ◆ or kept out ✖"
    plain(axes, heading if shown else "No release has been judged yet", grid="y")
    return png_of(figure)


def ways_picture(reports: Sequence[WayReport], title: str) -> bytes:
    """Return a PNG, 1200 px wide: token F1 and the share that is made up of each way, by group of questions."""
    groups: list[Group | None] = [*(reports[0].groups if reports else ()), None]
    figure = new_figure(title, height_in=1.9 + 0.6 * len(groups))
    right, made_up = figure.subplots(1, 2, sharey=True)
    for place, report in enumerate(reports):
        color, marker = WAY_STYLES[report.way]
        style: dict[str, Any] = {"color": color, "linestyle": "none", "markersize": 7}
        rows = [row + APART * (place - (len(reports) - 1) / 2) for row in range(len(groups))]
        right.plot([report.means(g).get(F1, 0) for g in groups], rows, marker, label=report.way, **style)
        made_up.plot([report.made_up(g) for g in groups], rows, marker, **style)
    n_asked = {group: len(reports[0].of(group)) if reports else 0 for group in groups}
    right.set_yticks(range(len(groups)), [f"{group or MIXED} ({n_asked[group]})" for group in groups])
    right.set_ylim(len(groups) - 0.5, -0.5)
    for axes, heading in ((right, "Token F1: right is better"), (made_up, "Share made up: left is better")):
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.axhline(len(groups) - 1.5, color=GRAY, linewidth=1)
        plain(axes, heading, grid="x")
    if reports:
        figure.legend(loc="outside lower center", ncols=len(reports), frameon=False, labelcolor=INK)
    return png_of(figure)


def color_of(gain: Interval) -> str:
    """Return the colour of an interval: what is proven, and which way."""
    return GAINED if gain.low > 0 else LOST if gain.high < 0 else UNSURE


def new_figure(title: str, height_in: float) -> "Figure":
    """Return an empty page 1200 px wide under a title."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    room = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor="white", layout=room)
    figure.suptitle(title, x=0.02, ha="left", fontsize=13, fontweight="bold", color=INK)
    return figure


def _before_and_after(axes: "Axes", points: list[tuple[float, float]], color: str, marker: str) -> None:
    (x0, y0), (x1, y1) = points
    axes.plot([x0, x1], [y0, y1], color=color, linewidth=2.5, zorder=1)
    axes.plot(x0, y0, "o", color="white", markeredgecolor=GRAY, markeredgewidth=2, markersize=9)
    axes.plot(x1, y1, marker, color=color, markersize=9)


def note(axes: "Axes", text: str, at: tuple[float, float], offset: tuple[float, float], ha: str) -> None:
    """Write beside a point, so many points away."""
    style: dict[str, Any] = {"color": INK, "fontsize": 9, "annotation_clip": False}
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axes.annotate(text, at, offset, textcoords="offset points", ha=ha, bbox=box, **style)


def plain(axes: "Axes", title: str, grid: str) -> None:
    """Leave the data and a faint grid."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.grid(axis="x" if grid == "x" else "y", color=RULE)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, colors=INK)
    axes.spines[:].set_visible(False)


def png_of(figure: "Figure") -> bytes:
    """Return a figure as a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
