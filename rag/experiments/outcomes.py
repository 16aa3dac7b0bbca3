"""What became of the questions that were asked within an experiment, and what their users said of the answers."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import update
from sqlalchemy.orm import defer
from sqlmodel import Session, col, func, select

from rag.config import Harm, Outcome
from rag.experiments.experiment import Experiment
from rag.experiments.look import Look, look
from rag.experiments.users import Answer, Users, counted_users
from rag.feedback.signals import VOTES, FeedbackKind
from storage.database import Database
from storage.tables import ExposureRow, FeedbackRow, InteractionRow

IN_FLIGHT = timedelta(minutes=2)
"""By then an answer has come to its end, or never will: nothing is looked at before, since it would change."""
_AT_ONCE = 500
"""Ids in one query: a database takes no more than some thousands."""


class Seen(NamedTuple):
    """A question asked within an experiment, and what became of it."""

    exposure_id: int
    user: str
    at: datetime
    treated: bool
    chance: float
    failed: bool
    answered: bool
    """Whether there is an interaction: it was at least searched for."""
    found: bool | None
    """None if the answer was broken off."""
    support: float | None
    total_s: float | None
    satisfaction: float | None


def worth(seen: Seen, outcome: Outcome) -> float | None:
    """Return what an answer is worth, 0 to 1; None if nothing is known of it."""
    if outcome is Outcome.SATISFACTION:
        return seen.satisfaction
    if _has_error(seen):
        return 0.0
    if outcome is Outcome.FOUND:
        return None if seen.found is None else float(seen.found)
    return None if seen.support is None else min(max(seen.support, 0.0), 1.0)


def harm(seen: Seen, metric: Harm, slow_s: float) -> float | None:
    """Return whether this is wrong with an answer, 0 or 1; None if nothing is known of it."""
    if metric is Harm.ERROR:
        return float(_has_error(seen))
    if metric is Harm.REFUSED:
        return None if seen.found is None else float(not seen.found)
    return None if seen.total_s is None else float(seen.total_s > slow_s)


def look_at(database: Database, experiment: Experiment, now: datetime) -> Look:
    """Look at what is known of an experiment; nothing changes."""
    now, config = now - IN_FLIGHT, experiment.config
    with database.reading() as session:
        seen = _seen(session, experiment, _due(session, experiment, now))
    by_outcome = _users(seen, lambda each: worth(each, config.outcome), config.window_h, now)
    rails = {
        rail.metric: _users(seen, lambda each, m=rail.metric: harm(each, m, config.slow_s), rail.window_h, now)  # type: ignore[misc]
        for rail in config.guard_rails
    }
    return look(by_outcome, rails, config)


def close_windows(database: Database, experiment: Experiment, now: datetime) -> None:
    """Keep what was said of an answer in the window of its user, for good: a later change of mind changes nothing."""
    now -= IN_FLIGHT
    with database.reading() as session:
        due = _due(session, experiment, now)
    if due:
        rows = [{"id": id_, "closed": True, "satisfaction": satisfaction} for id_, satisfaction in due.items()]
        with database.session() as session:
            session.execute(update(ExposureRow), rows)


def _has_error(seen: Seen) -> bool:
    return seen.failed or not seen.answered


def _users(seen: Sequence[Seen], measure: Callable[[Seen], float | None], window_h: float, now: datetime) -> Users:
    answers = (
        Answer(user=each.user, at=each.at, treated=each.treated, chance=each.chance, outcome=measure(each))
        for each in seen
    )
    return counted_users(answers, timedelta(hours=window_h), now)


def _seen(session: Session, experiment: Experiment, due: Mapping[int, float | None]) -> list[Seen]:
    asked = (
        ExposureRow.id,
        ExposureRow.user_fingerprint,
        ExposureRow.at,
        ExposureRow.treated,
        ExposureRow.chance,
        ExposureRow.failed,
        ExposureRow.satisfaction,
    )
    answered = InteractionRow.id, InteractionRow.found, InteractionRow.support, InteractionRow.timings
    query = select(*asked, *answered).outerjoin(  # type: ignore[call-overload]
        InteractionRow, col(InteractionRow.id) == ExposureRow.interaction_id
    )
    rows = session.exec(query.where(ExposureRow.experiment_id == experiment.id))
    return [
        Seen(
            exposure_id=id_,
            user=user,
            at=at,
            treated=treated,
            chance=chance,
            failed=failed,
            answered=interaction_id is not None,
            found=found,
            support=support,
            total_s=(timings or {}).get("total"),
            satisfaction=due.get(id_, satisfaction),
        )
        for id_, user, at, treated, chance, failed, satisfaction, interaction_id, found, support, timings in rows
    ]


def _due(session: Session, experiment: Experiment, now: datetime) -> dict[int, float | None]:
    """Return what was said in the windows that have passed and are not closed, by the exposure's id."""
    window = timedelta(hours=experiment.config.window_h)
    own = ExposureRow.experiment_id == experiment.id
    user, began = ExposureRow.user_fingerprint, func.min(ExposureRow.at).label("began")
    first = select(user, began).where(own).group_by(user).subquery()
    query = select(ExposureRow, first.c.began).join(first, first.c.user_fingerprint == ExposureRow.user_fingerprint)
    rows = session.exec(query.where(own, ~col(ExposureRow.closed), first.c.began <= now - window)).all()
    said = _votes(session, [row.interaction_id for row, _ in rows])
    due: dict[int, float | None] = {}
    for row, start in rows:
        assert row.id is not None
        vote = said.get((row.interaction_id, row.user_fingerprint))
        due[row.id] = vote.worth if vote is not None and vote.at < start + window else None
    return due


class _Vote(NamedTuple):
    worth: float
    at: datetime


def _votes(session: Session, interaction_ids: Sequence[str]) -> dict[tuple[str, str], _Vote]:
    """Return the users' votes on answers, by interaction and user; each has one."""
    votes = {}
    for first in range(0, len(interaction_ids), _AT_ONCE):
        some = col(FeedbackRow.interaction_id).in_(interaction_ids[first : first + _AT_ONCE])
        query = select(FeedbackRow).where(some, col(FeedbackRow.kind).in_(VOTES))
        for row in session.exec(query.options(defer(FeedbackRow.text))):  # type: ignore[arg-type]
            if row.user_fingerprint is not None:
                vote = _Vote(_satisfaction(FeedbackKind(row.kind), row.value), row.created_at)
                votes[row.interaction_id, row.user_fingerprint] = vote
    return votes


def _satisfaction(kind: FeedbackKind, value: float | None) -> float:
    """Return what a vote says, 0 to 1."""
    return float(kind is FeedbackKind.THUMB_UP) if value is None else (value - 1) / 4
