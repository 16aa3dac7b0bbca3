"""What is worth telling somebody: a target that is missed for sure, and drift for the worse."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict

from rag.config import MonitoringConfig
from rag.monitoring.drift import LATENCY, QUESTIONS, SCORE, SUPPORT, UNANSWERED, Drift, DriftReport
from rag.monitoring.estimate import Estimate, estimated
from rag.monitoring.traffic import Asked
from rag.monitoring.use import Use

SLOW = 0.05
"""Share of the answers that may take longer than the bound of the 95th percentile."""
_JUDGED = "see `ragloop monitor` for what was judged wrong, add what the documents lack, and retrain"
_SLOWED = "see by `ragloop monitor` which step takes the time, and whether a training runs on that machine"
_REMEDIES = {
    "rating": _JUDGED,
    "correct": _JUDGED,
    "latency_p95_s": _SLOWED,
    f"drift:{QUESTIONS}": "see the new topics in `ragloop monitor`, and add documents on them",
    f"drift:{SCORE}": "see the new topics in `ragloop monitor`, and retrain",
    f"drift:{SUPPORT}": "see who answers by `ragloop doctor`; roll back what began to serve lately",
    f"drift:{UNANSWERED}": "see what to document next in `ragloop monitor`",
    f"drift:{LATENCY}": _SLOWED,
}
_NAMES = {
    SCORE: "score of the best passage",
    SUPPORT: "support of the answers",
    UNANSWERED: "share unanswered",
    LATENCY: "seconds to an answer",
}


class Alert(BaseModel):
    """One thing that is wrong now."""

    model_config = ConfigDict(frozen=True)

    metric: str
    value: float
    bound: float
    """What the value should keep to."""
    sentence: str
    """What is the case, with its numbers."""
    remedy: str


class RaisedAlert(Alert):
    """An alert, and since when it stands or stood."""

    since: datetime
    ended: bool = False
    told: bool = False
    """Whether what it has come to, its beginning or its end, was sent."""

    def event_id(self, collection: str) -> UUID:
        """Return the id of the event about it: the same each time, so that it is one however often it is sent."""
        return uuid5(NAMESPACE_URL, f"ragloop:{collection}:{self.metric}:{self.since.isoformat()}:{self.event}")

    @property
    def event(self) -> str:
        """What there is to tell."""
        return "ended" if self.ended else "raised"


class Changed(NamedTuple):
    """What has become of alerts."""

    standing: list[RaisedAlert]
    """All that stand now."""
    ended: list[RaisedAlert]
    """Whose end was not told yet."""

    @property
    def untold(self) -> list[RaisedAlert]:
        """What is to be sent, those that ended first."""
        return [*self.ended, *(alert for alert in self.standing if not alert.told)]


def alerts(recent: Sequence[Asked], use: Use, drift: DriftReport, config: MonitoringConfig) -> list[Alert]:
    """Return what is wrong in the recent window.

    :param use: of that window.
    """
    timed = [(each.latency_s, each.at) for each in recent if each.latency_s is not None]
    slow = [float(seconds > config.latency_p95_s) for seconds, _ in timed]
    # Slowness comes in bursts: the answers of one hour are alike, as those of one person are elsewhere.
    too_slow = estimated(slow, [f"{at:%Y-%m-%d %H}" for _, at in timed], config.confidence)
    over = f"over the last {use.days} days"
    found = [
        _missed("rating", use.rating, config.rating_target, f"the mean rating {over} is"),
        _missed("correct", use.correct, config.correct_target, f"the share judged correct {over} is"),
        _slow(too_slow, use, config, over),
        *(_drifted(each, drift, config) for each in drift.metrics if each.found and each.worse),
    ]
    return [alert for alert in found if alert is not None]


def changed(now: Sequence[Alert], before: Sequence[RaisedAlert], at: datetime) -> Changed:
    """Return which alerts stand and which have ended; one that stands keeps its time, so it is told once.

    :param before: what was left then: what stood, and what had ended without that it was told.
    """
    stood = {alert.metric: alert for alert in before if not alert.ended}
    standing = []
    for alert in now:
        since, told = (known.since, known.told) if (known := stood.get(alert.metric)) else (at, False)
        standing.append(RaisedAlert(**alert.model_dump(), since=since, told=told))
    metrics = {alert.metric for alert in now}
    over = (alert for alert in before if alert.ended or alert.metric not in metrics)
    return Changed(standing, [alert.model_copy(update={"ended": True, "told": False}) for alert in over])


def _missed(metric: str, found: Estimate | None, target: float, said: str) -> Alert | None:
    """Return an alert if a mean lies below its target with its whole interval."""
    if found is None or found.high >= target:
        return None
    return _alert(metric, found.value, target, f"{said} {found}, under the target of {target:g}")


def _slow(too_slow: Estimate | None, use: Use, config: MonitoringConfig, over: str) -> Alert | None:
    if too_slow is None or too_slow.low <= SLOW:
        return None
    p95_s = use.latency["total"].p95_s
    sentence = (
        f"95% of the answers {over} took up to {p95_s:.2f} s, more than {config.latency_p95_s:g} s: "
        f"{too_slow.value:.0%} of {too_slow.n} took longer than that"
    )
    return _alert("latency_p95_s", p95_s, config.latency_p95_s, sentence)


def _drifted(metric: Drift, drift: DriftReport, config: MonitoringConfig) -> Alert:
    bound = config.min_novel if metric.metric == QUESTIONS else config.min_shift
    return _alert(f"drift:{metric.metric}", metric.shift, bound, f"{_said(metric, drift)} (p {metric.p_value:.4f})")


def _said(metric: Drift, drift: DriftReport) -> str:
    before, now = metric.before or 0.0, metric.now or 0.0
    n_before, n_now = drift.counted(metric)
    if metric.metric == QUESTIONS:
        return (
            f"{now:.0%} of {n_now} questions since {drift.since} are on topics that were hardly asked about "
            f"from {drift.reference_since} on, {before:.0%} would be by chance"
        )
    was, is_now = (f"{each:.0%}" if metric.metric == UNANSWERED else f"{each:.3g}" for each in (before, now))
    said = (
        f"{_NAMES[metric.metric]}: {is_now} in {n_now} since {drift.since}, {was} in {n_before} from "
        f"{drift.reference_since} on, distributions {metric.shift:.2f} apart"
    )
    if drift.releases:
        said += f"; new since then: release {', '.join(map(str, drift.releases))}"
    return said


def _alert(metric: str, value: float, bound: float, sentence: str) -> Alert:
    return Alert(metric=metric, value=value, bound=bound, sentence=sentence, remedy=_REMEDIES[metric])
