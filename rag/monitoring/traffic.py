"""What was asked and how it was judged, as the database has it; questions are opened only where they are looked at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from sqlalchemy.orm import load_only
from sqlmodel import col, func, select

from rag.feedback.reactions import Reaction
from rag.feedback.signals import VOTES, FeedbackKind
from rag.pairs.follow_ups import resolved_question
from storage.database import Database
from storage.tables import FeedbackRow, InteractionRow

TOTAL = "total"
"""The step that is all of them."""
_JUDGING = [*VOTES, FeedbackKind.CORRECTION]
_UNSEALED = (
    "id",
    "created_at",
    "user_fingerprint",
    "release_id",
    "found",
    "cached",
    "support",
    "retrieved",
    "timings",
)
_SAID = ("id", "interaction_id", "kind", "value", "user_fingerprint", "created_at")
_HISTORY = TypeAdapter(list[dict[str, str]])
_AT_ONCE = 500
"""Ids in one query: a database takes no more than some thousands."""


class Judgement(NamedTuple):
    """What one person said of one answer."""

    person: str
    correct: bool | None
    """A thumb up or a rating of 4 or 5: yes; a thumb down, 1 or 2, or a correction, whatever else was said: no."""
    rating: int | None


@dataclass(frozen=True)
class Asked:
    """One question's answer, without the words."""

    id: str
    at: datetime
    user: str | None
    release_id: int
    found: bool | None
    """Whether the documents were taken to answer it; None if it broke off."""
    cached: bool
    support: float | None
    score: float | None
    """Of the best passage."""
    timings: Mapping[str, float]
    """Seconds by step."""
    judgements: tuple[Judgement, ...]

    @property
    def day(self) -> date:
        """The day, in UTC."""
        return self.at.date()

    @property
    def person(self) -> str:
        """Who asked: a user, or somebody of whom this answer is all that is known."""
        return f"user {self.user}" if self.user else f"answer {self.id}"

    @property
    def latency_s(self) -> float | None:
        """Seconds to the whole answer; None of one that was known already."""
        return None if self.cached else self.timings.get(TOTAL)

    @property
    def judged_wrong(self) -> bool:
        """Whether somebody said so."""
        return any(judgement.correct is False for judgement in self.judgements)


def load_traffic(database: Database, collection: str, since: datetime) -> list[Asked]:
    """Return what was asked of a collection since then, oldest first."""
    asked = select(InteractionRow).options(_only(InteractionRow, *_UNSEALED))
    asked = asked.where(InteractionRow.collection == collection, col(InteractionRow.created_at) >= since)
    said = select(FeedbackRow).options(_only(FeedbackRow, *_SAID))
    said = said.where(FeedbackRow.collection == collection, col(FeedbackRow.kind).in_(_JUDGING))
    said = said.where(col(FeedbackRow.created_at) >= since)  # nobody judges before asking
    with database.reading() as session:
        reactions: dict[str, list[Reaction]] = defaultdict(list)
        for row in session.exec(said.order_by(col(FeedbackRow.id))):
            reactions[row.interaction_id].append(_reaction(row))
        rows = session.exec(asked.order_by(col(InteractionRow.created_at), col(InteractionRow.id)))
        return [_asked(row, reactions[row.id]) for row in rows]


def first_uses(database: Database, collection: str) -> dict[str, datetime]:
    """Return when each user first asked a collection something."""
    row = InteractionRow
    query = select(row.user_fingerprint, func.min(row.created_at)).where(row.collection == collection)
    with database.reading() as session:
        found = session.exec(query.where(col(row.user_fingerprint).is_not(None)).group_by(col(row.user_fingerprint)))
        return {user: at for user, at in found if user}


def load_questions(database: Database, ids: Iterable[str]) -> dict[str, str]:
    """Return questions by id, made to stand alone where they follow up on others; none whose text was deleted."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, str] = {}
    columns = select(InteractionRow.id, InteractionRow.question, InteractionRow.history)
    with database.reading() as session:
        for first in range(0, len(wanted), _AT_ONCE):
            some = col(InteractionRow.id).in_(wanted[first : first + _AT_ONCE])
            for id_, question, history in session.exec(columns.where(some)):
                if question.strip():
                    said = _HISTORY.validate_json(history) if history else []
                    earlier = [turn["content"] for turn in said if turn["role"] == "user"]
                    found[id_] = resolved_question(question, earlier)
    return found


def _only(table: type[InteractionRow | FeedbackRow], *names: str) -> Any:
    """Leave the other columns, which are sealed, where they are."""
    return load_only(*(getattr(table, name) for name in names))


def _reaction(row: FeedbackRow) -> Reaction:
    assert row.id is not None
    value = None if row.value is None else int(row.value)
    return Reaction(row.id, row.user_fingerprint, FeedbackKind(row.kind), value, None, None, row.created_at)


def _asked(row: InteractionRow, reactions: Sequence[Reaction]) -> Asked:
    return Asked(
        id=row.id,
        at=row.created_at,
        user=row.user_fingerprint,
        release_id=row.release_id,
        found=row.found,
        cached=row.cached,
        support=row.support,
        score=next((float(passage["score"]) for passage in row.retrieved if passage["rank"] == 1), None),
        timings=row.timings,
        judgements=_judged(row.id, reactions),
    )


def _judged(about: str, reactions: Sequence[Reaction]) -> tuple[Judgement, ...]:
    """Return what each person said; who has no fingerprint is one person for each answer."""
    by_person: dict[str, list[Reaction]] = defaultdict(list)
    for reaction in reactions:
        by_person[f"user {reaction.user}" if reaction.user else f"answer {about}"].append(reaction)
    return tuple(_judgement(person, own) for person, own in by_person.items())


def _judgement(person: str, reactions: Sequence[Reaction]) -> Judgement:
    votes = [reaction.vote for reaction in reactions if reaction.kind in VOTES]
    ratings = [reaction.value for reaction in reactions if reaction.value is not None]
    corrected = any(reaction.kind is FeedbackKind.CORRECTION for reaction in reactions)
    correct = False if corrected else next(iter(votes), None)
    return Judgement(person, correct, next(iter(ratings), None))
