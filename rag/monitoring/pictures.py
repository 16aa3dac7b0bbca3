"""Use as a picture: a PNG file, made without a display."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag.config import MonitoringConfig
from rag.evaluation.pictures import GAINED, GRAY, INK, LOST, new_figure, plain, png_of
from rag.monitoring.estimate import Estimate
from rag.monitoring.report import Monitoring
from rag.monitoring.traffic import TOTAL
from rag.monitoring.use import RATINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROOM = 1.1


def use_picture(seen: Monitoring, config: MonitoringConfig, title: str) -> bytes:
    """Return a PNG, 1200 px wide: by day how many asked, how answers were judged, how many there were, how fast."""
    days = seen.usage.by_day
    figure = new_figure(title, height_in=8.2)
    asking, rating, correct, unanswered, latency = figure.subplots(5, 1, sharex=True)
    asking.bar(range(len(days)), [day.questions for day in days], color=GRAY, width=0.7)
    asking.plot(range(len(days)), [day.users or None for day in days], "o", color=INK, markersize=4)
    _means(rating, [day.rating for day in days], config.rating_target)
    _means(correct, [day.correct for day in days], config.correct_target)
    _means(unanswered, [day.unanswered for day in days], None)
    seconds = [(place, day.latency[TOTAL]) for place, day in enumerate(days) if TOTAL in day.latency]
    for place, own in seconds:
        color = LOST if own.p95_s > config.latency_p95_s else INK
        latency.plot([place, place], [own.p50_s, own.p95_s], color=color, linewidth=2, solid_capstyle="butt")
    latency.axhline(config.latency_p95_s, color=GAINED, linewidth=1, linestyle="--")
    rating.set_ylim(RATINGS[0] - 0.2, RATINGS[1] + 0.2)
    latency.set_ylim(0, _ROOM * max([config.latency_p95_s, *(own.p95_s for _, own in seconds)]))
    for axes in (correct, unanswered):
        axes.set_ylim(-0.05, 1.05)
    step = max(1, len(days) // 8)
    latency.set_xticks(range(0, len(days), step), [f"{day.first_day:%d %b}" for day in days[::step]])
    sure = f"{config.confidence:.0%}"
    for axes, heading in (
        (asking, "Questions ▮ and users ●"),
        (rating, f"Mean rating with its {sure} interval, and the target"),
        (correct, f"Share judged correct with its {sure} interval, and the target"),
        (unanswered, f"Share unanswered with its {sure} interval"),
        (latency, "Seconds to an answer, median to 95th percentile, and the bound of the latter"),
    ):
        plain(axes, heading, grid="y")
    return png_of(figure)


def _means(axes: "Axes", found: Sequence[Estimate | None], target: float | None) -> None:
    """Draw means with their intervals; those that miss the target for sure stand out."""
    for place, each in enumerate(found):
        if each is not None:
            missed = target is not None and each.high < target
            color = LOST if missed else INK
            axes.plot([place, place], [each.low, each.high], color=color, linewidth=1.5, alpha=0.5)
            axes.plot(place, each.value, "o", color=color, markersize=5)
    if target is not None:
        axes.axhline(target, color=GAINED, linewidth=1, linestyle="--")
