"""Passages that people were shown for a question and had no use for."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from sqlmodel import col, select

from rag.feedback.signals import FeedbackKind
from rag.pairs.words import normalize
from storage.database import Database
from storage.tables import FeedbackRow, InteractionRow

# Left out: a correction blames the answer, not the passages; who leaves may have found what was wanted; and which
# citation was opened is not recorded.
_HELPFUL = frozenset({FeedbackKind.THUMB_UP, FeedbackKind.COPIED})
_UNHELPFUL = frozenset({FeedbackKind.THUMB_DOWN, FeedbackKind.REFORMULATED})
_LOW, _HIGH = 2, 4
"""Ratings up to and from which a reaction counts."""


class _Shown(NamedTuple):
    """What one question was answered from, and whether that helped."""

    question: str
    chunk_ids: list[str]
    """Best first."""
    helped: bool


def feedback_negatives(
    database: Database, collection: str, answered_by: Mapping[str, Set[str]]
) -> dict[str, tuple[str, ...]]:
    """Return the ids of chunks that were shown for a question and skipped, by normalized question, most often first.

    `answered_by` holds, by normalized question, the ids of the chunks that answer it; other questions are left out.
    After an unhelpful answer all others that were shown count as skipped; after a helpful one those above the first
    that answers (Joachims 2002), since a reaction does not say which passage it means. Contradicting reactions to one
    answer count for nothing.
    """
    counts: dict[str, Counter[str]] = {}
    for shown in _reacted_to(database, collection):
        answering = answered_by.get(shown.question)
        if answering:
            ids = shown.chunk_ids
            if shown.helped:
                first = next((rank for rank, chunk_id in enumerate(ids) if chunk_id in answering), 0)
                ids = ids[:first]
            counts.setdefault(shown.question, Counter()).update(set(ids) - answering)
    return {question: _most_often_first(own) for question, own in sorted(counts.items()) if own}


def _reacted_to(database: Database, collection: str) -> Iterator[_Shown]:
    """Yield the interactions whose reactions all say that they helped, or all that they did not."""
    reactions: dict[str, set[bool]] = {}
    said = select(FeedbackRow.interaction_id, FeedbackRow.kind, FeedbackRow.value)
    about = select(FeedbackRow.interaction_id).where(FeedbackRow.collection == collection)
    asked = select(InteractionRow.id, InteractionRow.question, InteractionRow.retrieved)
    with database.reading() as session:
        for interaction_id, kind, value in session.exec(said.where(FeedbackRow.collection == collection)):
            helped = _helped(FeedbackKind(kind), value)
            if helped is not None:
                reactions.setdefault(interaction_id, set()).add(helped)
        for interaction_id, question, retrieved in session.exec(asked.where(col(InteractionRow.id).in_(about))):
            agreed = reactions.get(interaction_id, set())
            if len(agreed) == 1:
                ranked = sorted(retrieved, key=lambda passage: passage["rank"])
                yield _Shown(normalize(question), [passage["chunk_id"] for passage in ranked], agreed.pop())


def _helped(kind: FeedbackKind, value: float | None) -> bool | None:
    """Return whether a reaction says that the passages were of use; None if it does not say."""
    if kind is FeedbackKind.RATING and value is not None:
        return None if _LOW < value < _HIGH else value >= _HIGH
    if kind in _HELPFUL | _UNHELPFUL:
        return kind in _HELPFUL
    return None


def _most_often_first(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda chunk_id: (-counts[chunk_id], chunk_id)))
