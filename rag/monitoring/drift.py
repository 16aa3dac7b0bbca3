"""What has changed: what is asked, how well it is found and supported, how often there is no answer, how fast it is."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from rag.config import MonitoringConfig
from rag.embedding.vectors import Vectors
from rag.monitoring.topics import grouped
from rag.monitoring.traffic import Asked
from rag.monitoring.two_samples import Shuffle, holm, in_new_surroundings, largest_gap, on_new_topics

QUESTIONS, SCORE, SUPPORT, UNANSWERED, LATENCY = "questions", "score", "support", "unanswered", "latency"
_VALUES: dict[str, Callable[[Asked], float | None]] = {
    SCORE: lambda asked: asked.score,
    SUPPORT: lambda asked: asked.support if asked.found else None,
    UNANSWERED: lambda asked: None if asked.found is None else float(not asked.found),
    LATENCY: lambda asked: asked.latency_s,
}
METRICS = (QUESTIONS, *_VALUES)
_RISES_ARE_WORSE = frozenset({UNANSWERED, LATENCY})


class Windows(NamedTuple):
    """What is compared."""

    reference: Sequence[Asked]
    recent: Sequence[Asked]

    @property
    def both(self) -> list[Asked]:
        """All of it, the reference first."""
        return [*self.reference, *self.recent]

    def where(self, holds: Callable[[Asked], bool]) -> "Windows":
        """Return those for which it holds."""
        return Windows([each for each in self.reference if holds(each)], [each for each in self.recent if holds(each)])


class Drift(BaseModel):
    """How one thing has changed between the windows."""

    model_config = ConfigDict(frozen=True)

    metric: str
    n_before: int
    n_now: int
    before: float | None = None
    """The median; of `unanswered` the share; of `questions` the share that is on new topics by chance."""
    now: float | None = None
    shift: float = 0.0
    """Kolmogorov's D; of `questions` the share on new topics beyond chance."""
    p_value: float = 1.0
    """Of this look's tests together (Holm)."""
    found: bool = False
    """Whether it is proven and large enough to matter."""
    worse: bool = False
    """Whether it changed for the worse; new questions are."""
    untested: str | None = None
    """Why it was not tested, if so."""


class DriftDay(BaseModel):
    """One recent day beside the reference."""

    model_config = ConfigDict(frozen=True)

    day: date
    questions: int
    novel: float | None
    """Share on new topics, of those that were compared."""
    score: float | None
    support: float | None
    latency_s: float | None
    """These three are medians."""
    unanswered: float | None
    """Share."""


class DriftReport(BaseModel):
    """All of them."""

    model_config = ConfigDict(frozen=True)

    since: date
    """First day of the recent window."""
    reference_since: date
    sampled_before: bool = False
    """Whether no more than some answers of the reference were compared, drawn at random."""
    sampled_now: bool = False
    """Whether the same was done in the recent window; days are counted whole."""
    metrics: tuple[Drift, ...]
    by_day: tuple[DriftDay, ...]
    releases: tuple[int, ...]
    """That answered lately and not before."""
    novel: tuple[str, ...]
    """Ids of recent questions on topics that are asked about far more than before; without drift, that is chance."""

    def of(self, metric: str) -> Drift:
        """Return one of them."""
        return next(drift for drift in self.metrics if drift.metric == metric)

    def counted(self, drift: Drift) -> tuple[str, str]:
        """Say of how many answers one of them is, before and now."""
        return _counted(drift.n_before, self.sampled_before), _counted(drift.n_now, self.sampled_now)


def sampled(windows: Windows, config: MonitoringConfig) -> Windows:
    """Return windows of no more answers than are compared, drawn at random, in their order."""
    rng = np.random.default_rng(config.seed)

    def drawn(asked: Sequence[Asked]) -> Sequence[Asked]:
        if len(asked) <= config.max_answers:
            return asked
        return [asked[i] for i in np.sort(rng.choice(len(asked), config.max_answers, replace=False))]

    return Windows(*map(drawn, windows))


def drift(
    windows: Windows,
    vectors: Mapping[str, Vectors],
    since: tuple[date, date],
    scored_by: Mapping[int, str],
    config: MonitoringConfig,
) -> DriftReport:
    """Compare samples of the windows, and tell each recent day as a whole.

    :param vectors: of the sampled questions by id, each float32 (dim,), L2-normalized.
    :param since: the first days of the reference and of the recent window.
    :param scored_by: the models whose scores a release's are, by its id.
    """
    compared = sampled(windows, config)
    known = compared.where(lambda asked: asked.id in vectors)
    questions, new = _questions(known, vectors, config)
    metrics = [questions, *(_metric(metric, compared, scored_by, config) for metric in _VALUES)]
    adjusted = holm([metric.p_value for metric in metrics if metric.untested is None])
    corrected = {m.metric: p for m, p in zip((m for m in metrics if m.untested is None), adjusted, strict=True)}
    return DriftReport(
        since=since[1],
        reference_since=since[0],
        sampled_before=len(compared.reference) < len(windows.reference),
        sampled_now=len(compared.recent) < len(windows.recent),
        metrics=tuple(_settled(metric, corrected.get(metric.metric), config) for metric in metrics),
        by_day=tuple(_days(windows.recent, {asked.id: asked.id in new for asked in known.recent})),
        releases=tuple(sorted({a.release_id for a in windows.recent} - {a.release_id for a in windows.reference})),
        novel=tuple(asked.id for asked in compared.recent if asked.id in new),
    )


def _questions(windows: Windows, vectors: Mapping[str, Vectors], config: MonitoringConfig) -> tuple[Drift, set[str]]:
    """Return how the questions have changed, and the ids of the recent ones that are on new topics."""
    counts = Drift(metric=QUESTIONS, n_before=len(windows.reference), n_now=len(windows.recent), worse=True)
    if (why := _untested(windows, config)) is not None:
        return counts.model_copy(update={"untested": why}), set()
    of_each: NDArray[np.float32] = np.stack([vectors[asked.id] for asked in windows.both])
    shuffle = _shuffle(windows, config)
    # The one sees a topic that many begin to ask about, the other what is spread thin: each has half of the error.
    told = (on_new_topics(grouped(of_each, config.topic_cosine), shuffle), in_new_surroundings(of_each, shuffle))
    p_value = min(1.0, 2 * min(each.p_value for each in told))
    new = max(told, key=lambda each: each.share - each.by_chance)
    facts = {
        "before": round(new.by_chance, 4),
        "now": round(new.share, 4),
        "shift": round(max(0.0, new.share - new.by_chance), 4),
        "p_value": p_value,
    }
    ids = {asked.id for asked, is_new in zip(windows.both, new.questions, strict=True) if is_new}
    return counts.model_copy(update=facts), ids


def _metric(metric: str, windows: Windows, scored_by: Mapping[int, str], config: MonitoringConfig) -> Drift:
    value = _VALUES[metric]
    having = windows.where(lambda asked: value(asked) is not None)
    why = _untested(having, config)
    if metric == SCORE and why is None:
        having = _alike(having, scored_by)
        if (few := _untested(having, config)) is not None:
            why = f"other models answered, whose scores are others ({few})"
    counts = Drift(metric=metric, n_before=len(having.reference), n_now=len(having.recent))
    if why is not None:
        return counts.model_copy(update={"untested": why})
    before, now = (np.array([value(asked) for asked in side], dtype=np.float64) for side in having)
    gap = largest_gap([*before, *now], _shuffle(having, config, of_machine=metric == LATENCY))
    typical = np.mean if metric == UNANSWERED else np.median
    facts = {"before": round(float(typical(before)), 4), "now": round(float(typical(now)), 4)}
    # Where the figures that are shown are alike, the means tell.
    was, is_now = (facts["before"], float(before.mean())), (facts["now"], float(now.mean()))
    worse = is_now > was if metric in _RISES_ARE_WORSE else is_now < was
    return counts.model_copy(update={**facts, "shift": round(gap.statistic, 4), "p_value": gap.p_value, "worse": worse})


def _settled(metric: Drift, p_value: float | None, config: MonitoringConfig) -> Drift:
    """Return it with the p-value of all tests together, and whether it is found."""
    if p_value is None:
        return metric
    smallest = config.min_novel if metric.metric == QUESTIONS else config.min_shift
    found = p_value <= config.error and metric.shift >= smallest
    return metric.model_copy(update={"p_value": round(p_value, 4), "found": found})


def _shuffle(windows: Windows, config: MonitoringConfig, of_machine: bool = False) -> Shuffle:
    """Return how answers change places: by day what lies with the machine, otherwise by person.

    Of a person of both windows the weeks, as long as the recent window is, change places with each other.
    """
    recent = [False] * len(windows.reference) + [True] * len(windows.recent)
    if of_machine:
        days = [str(asked.day) for asked in windows.both]
        return Shuffle(recent, days, [""] * len(days), config.permutations, config.seed)
    first = min(asked.day for asked in windows.recent)
    length = 1 if _few_people(windows, config) else config.recent_days
    regulars = {asked.person for asked in windows.reference} & {asked.person for asked in windows.recent}
    strata = [asked.person if asked.person in regulars else "" for asked in windows.both]
    blocks = [
        f"{asked.person} {(asked.day - first).days // length if stratum else ''}"
        for asked, stratum in zip(windows.both, strata, strict=True)
    ]
    return Shuffle(recent, blocks, strata, config.permutations, config.seed)


def _alike(windows: Windows, scored_by: Mapping[int, str]) -> Windows:
    """Return what was scored by the models of most recent answers: scores of different models are no drift."""
    (most, _), *_ = Counter(scored_by[asked.release_id] for asked in windows.recent).most_common(1)
    return windows.where(lambda asked: scored_by[asked.release_id] == most)


def _few_people(windows: Windows, config: MonitoringConfig) -> bool:
    """Say whether there are too few to be compared, as where one application asks for all of them."""
    return any(len({asked.person for asked in side}) < config.min_people for side in windows)


def _untested(windows: Windows, config: MonitoringConfig) -> str | None:
    fewest = min(len(windows.reference), len(windows.recent))
    if fewest >= config.min_answers:
        return None
    return f"too few to tell: {len(windows.recent)} beside {len(windows.reference)} before, {config.min_answers} needed"


def _days(recent: Sequence[Asked], new: Mapping[str, bool]) -> list[DriftDay]:
    """Return the days; `new` says of each question that was compared whether it is on a new topic."""
    days: dict[date, list[Asked]] = {}
    for asked in recent:
        days.setdefault(asked.day, []).append(asked)
    return [
        DriftDay(
            day=day,
            questions=len(own),
            novel=_typical([new.get(asked.id) for asked in own], np.mean),
            score=_typical([_VALUES[SCORE](asked) for asked in own]),
            support=_typical([_VALUES[SUPPORT](asked) for asked in own]),
            latency_s=_typical([_VALUES[LATENCY](asked) for asked in own]),
            unanswered=_typical([_VALUES[UNANSWERED](asked) for asked in own], np.mean),
        )
        for day, own in days.items()
    ]


def _counted(n: int, is_sample: bool) -> str:
    return f"a sample of {n}" if is_sample else str(n)


def _typical(values: Sequence[float | None], of: Callable[..., np.floating] = np.median) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(of(known)), 4) if known else None
