"""Use by day and by week: how many ask, who comes back, how answers are judged, how fast they are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from pydantic import BaseModel, ConfigDict

from rag.config import MonitoringConfig
from rag.monitoring.estimate import Estimate, estimated
from rag.monitoring.traffic import Asked

DAY, WEEK = timedelta(days=1), timedelta(days=7)
RATINGS = (1.0, 5.0)


class Latency(BaseModel):
    """Seconds that a step took, of answers that were not known already."""

    model_config = ConfigDict(frozen=True)

    n: int
    p50_s: float
    p95_s: float


class Use(BaseModel):
    """One day or week."""

    model_config = ConfigDict(frozen=True)

    first_day: date
    days: int
    questions: int
    users: int
    """With a fingerprint."""
    returning: int
    """Users who had asked in an earlier day or week already."""
    rating: Estimate | None
    correct: Estimate | None
    """Share of the judged answers that were judged correct: see `rag.monitoring.traffic.Judgement`."""
    unanswered: Estimate | None
    """Share of the questions that the documents were taken not to answer."""
    cached: Estimate | None
    support: Estimate | None
    """Mean of the answers that were found."""
    score: float | None
    """Median of the best passage's score."""
    latency: dict[str, Latency]
    """By step."""


class Cohort(BaseModel):
    """The users who first asked in one week."""

    model_config = ConfigDict(frozen=True)

    first_day: date
    users: int
    active: tuple[int, ...]
    """How many of them asked in that week, in the week after, and so on."""


class Usage(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True)

    by_day: tuple[Use, ...]
    by_week: tuple[Use, ...]
    """Weeks begin on Mondays."""
    retention: tuple[Cohort, ...]


def usage(asked: Sequence[Asked], first: Mapping[str, datetime], today: date, config: MonitoringConfig) -> Usage:
    """Return the use of the last days and weeks; those in which nobody asked are in it.

    :param first: when each user first asked, however long ago.
    """
    week = monday(today)
    days = [today - DAY * back for back in reversed(range(config.days))]
    weeks = [week - WEEK * back for back in reversed(range(config.weeks))]
    return Usage(
        by_day=tuple(use_of(own, first, config) for own in _by(asked, days, DAY)),
        by_week=tuple(use_of(own, first, config) for own in _by(asked, weeks, WEEK)),
        retention=tuple(retention(asked, first, weeks)),
    )


def monday(day: date) -> date:
    """Return the first day of a day's week."""
    return day - DAY * day.weekday()


def use_of(
    period: tuple[date, timedelta, Sequence[Asked]], first: Mapping[str, datetime], config: MonitoringConfig
) -> Use:
    """Return one period's use."""
    begin, length, asked = period
    judged = [judgement for each in asked for judgement in each.judgements]
    users = {each.user for each in asked if each.user}
    answers = [(float(each.support), each.person) for each in asked if each.found and each.support is not None]
    scores = [each.score for each in asked if each.score is not None]

    def estimate(pairs: Iterable[tuple[float, str]], bounds: tuple[float, float] = (0.0, 1.0)) -> Estimate | None:
        values, people = zip(*own, strict=True) if (own := list(pairs)) else ((), ())
        return estimated(values, people, config.confidence, bounds)

    return Use(
        first_day=begin,
        days=length.days,
        questions=len(asked),
        users=len(users),
        returning=sum(user in first and first[user].date() < begin for user in users),
        rating=estimate(((float(each.rating), each.person) for each in judged if each.rating is not None), RATINGS),
        correct=estimate((float(each.correct), each.person) for each in judged if each.correct is not None),
        unanswered=estimate((float(not each.found), each.person) for each in asked if each.found is not None),
        cached=estimate((float(each.cached), each.person) for each in asked),
        support=estimate(answers),
        score=round(float(np.median(scores)), 4) if scores else None,
        latency=latencies(asked),
    )


def latencies(asked: Sequence[Asked]) -> dict[str, Latency]:
    """Return the time that each step took."""
    by_step: dict[str, list[float]] = defaultdict(list)
    for each in asked:
        for step, seconds in {} if each.cached else each.timings.items():
            by_step[step].append(seconds)
    return {
        step: Latency(n=len(own), p50_s=_percentile(own, 50), p95_s=_percentile(own, 95))
        for step, own in sorted(by_step.items())
    }


def retention(asked: Sequence[Asked], first: Mapping[str, datetime], weeks: Sequence[date]) -> list[Cohort]:
    """Return for the users who first asked in each of the weeks how many of them asked in each week since."""
    active: dict[date, set[str]] = defaultdict(set)
    for each in asked:
        if each.user:
            active[monday(each.day)].add(each.user)
    began = {user: monday(at.date()) for user, at in first.items()}
    cohorts = []
    for place, week in enumerate(weeks):
        own = {user for user, began_in in began.items() if began_in == week}
        came = tuple(len(own & active[later]) for later in weeks[place:])
        cohorts.append(Cohort(first_day=week, users=len(own), active=came))
    return cohorts


def _by(
    asked: Sequence[Asked], begins: Sequence[date], length: timedelta
) -> list[tuple[date, timedelta, Sequence[Asked]]]:
    by_begin: dict[date, list[Asked]] = {begin: [] for begin in begins}
    for each in asked:
        begin = each.day if length == DAY else monday(each.day)
        if begin in by_begin:
            by_begin[begin].append(each)
    return [(begin, length, own) for begin, own in by_begin.items()]


def _percentile(seconds: Sequence[float], percent: float) -> float:
    return round(float(np.percentile(seconds, percent)), 4)
