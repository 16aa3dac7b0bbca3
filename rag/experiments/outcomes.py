"""What became of the questions that were asked within an experiment, and what their users said of the answers."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlmodel import Session, col, select

from rag.config import AnsweringConfig, Harm, Outcome
from rag.errors import ConfigError
from rag.experiments.experiment import Experiment
from rag.experiments.look import Look, look
from rag.experiments.users import Answer, Users, counted_users
from rag.retrieval.expansion import QUERY_TIMEOUT_S
from storage.database import Database
from storage.tables import ExposureRow, InteractionRow

IN_FLIGHT = timedelta(minutes=2)
"""By then an answer has come to its end, or never will: nothing is looked at before, since it would change."""


class Seen(NamedTuple):
    """A question asked within an experiment, and what became of it."""

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


def require_answers_in_time(config: AnsweringConfig) -> None:
    """Check that no answer may take longer than what is waited for.

    :raises ConfigError: if one may.
    """
    # A search may ask a language model, which may have one wait first; a chat model's memory has first_piece_s.
    longest_s = 2 * QUERY_TIMEOUT_S + config.first_piece_s + config.total_s * len(config.generators)
    if longest_s > IN_FLIGHT.total_seconds():
        raise ConfigError(
            f"an answer may take {longest_s:g} s, longer than the {IN_FLIGHT.total_seconds():g} s after which an "
            "experiment takes it for an error: lower answering.total_s or answering.first_piece_s"
        )


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
        seen = _seen(session, experiment)
    by_outcome, *bounds = (
        _users(seen, lambda each: worth(each, config.outcome), config.window_h, now, silence)
        for silence in (None, 0, 1)
    )
    rails = {
        rail.metric: _users(seen, lambda each, m=rail.metric: harm(each, m, config.slow_s), rail.window_h, now)  # type: ignore[misc]
        for rail in config.guard_rails
    }
    return look(by_outcome, rails, config, bounds=bounds)


def _has_error(seen: Seen) -> bool:
    return seen.failed or not seen.answered


def _users(
    seen: Sequence[Seen],
    measure: Callable[[Seen], float | None],
    window_h: float,
    now: datetime,
    silence: float | None = None,
) -> Users:
    answers = (
        Answer(user=each.user, at=each.at, treated=each.treated, chance=each.chance, outcome=measure(each))
        for each in seen
    )
    return counted_users(answers, timedelta(hours=window_h), now, silence)


def _seen(session: Session, experiment: Experiment) -> list[Seen]:
    asked = (
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
            user=user,
            at=at,
            treated=treated,
            chance=chance,
            failed=failed,
            answered=interaction_id is not None,
            found=found,
            support=support,
            total_s=(timings or {}).get("total"),
            satisfaction=satisfaction,
        )
        for user, at, treated, chance, failed, satisfaction, interaction_id, found, support, timings in rows
    ]
