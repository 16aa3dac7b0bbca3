"""Answered questions with what people said of the answers, as the database has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy.orm import load_only
from sqlmodel import col, select

from rag.config import GeneratorKind
from rag.feedback.signals import VOTES, FeedbackKind
from rag.pairs.follow_ups import standing_question
from storage.database import Database
from storage.tables import ChunkRow, DocumentRow, FeedbackRow, InteractionRow

Span = tuple[str, int, int]
"""Document id, start and exclusive end in the document's extracted text."""
_LOW, _HIGH = 2, 4
"""Ratings up to and from which a rating is a vote against or for an answer."""
_HISTORY = TypeAdapter(list[dict[str, str]])
_FROM_MEMORY = f"{GeneratorKind.CHAT_MODEL.value}/"
"""What the names of generators that answer from memory begin with."""


@dataclass(frozen=True)
class Reaction:
    """What one person said or did about one answer."""

    id: int
    user: str | None
    """None for somebody without a fingerprint."""
    kind: FeedbackKind
    value: int | None
    text: str | None
    chunk_id: str | None
    at: datetime

    @property
    def vote(self) -> bool | None:
        """Whether it is for the answer or against it; None if it does not say."""
        if self.kind is FeedbackKind.RATING and self.value is not None:
            return None if _LOW < self.value < _HIGH else self.value >= _HIGH
        return self.kind is FeedbackKind.THUMB_UP if self.kind in VOTES else None


@dataclass(frozen=True)
class Use:
    """A question, what it was answered from, and the reactions to that."""

    id: str
    release_id: int
    question: str
    """Made to stand alone, where it follows up on others."""
    alone: bool
    """Whether it does; it is as it was asked if not."""
    shown: tuple[str, ...]
    """Ids of the chunks retrieved, best first."""
    cited: tuple[Span, ...]
    reactions: tuple[Reaction, ...]
    from_memory: bool = False
    """Whether the chat model answered by itself: what is shown was looked for afterwards, by what it said."""

    def person(self, reaction: Reaction) -> str:
        """Return who reacted: a user, or somebody who got this answer."""
        return f"user {reaction.user}" if reaction.user else f"answer {self.id}"


def load_uses(database: Database, collection: str) -> list[Use]:
    """Return the uses of a collection that somebody reacted to, oldest reaction first; none whose text was deleted."""
    by_interaction: dict[str, list[Reaction]] = {}
    about = select(FeedbackRow.interaction_id).where(FeedbackRow.collection == collection)
    columns = "id", "release_id", "question", "history", "retrieved", "citations", "generator"
    asked = select(InteractionRow).options(load_only(*(getattr(InteractionRow, name) for name in columns)))
    own = asked.where(InteractionRow.collection == collection, col(InteractionRow.id).in_(about))
    with database.reading() as session:
        said = select(FeedbackRow).where(FeedbackRow.collection == collection).order_by(col(FeedbackRow.id))
        for row in session.exec(said):
            by_interaction.setdefault(row.interaction_id, []).append(_reaction(row))
        rows = {row.id: row for row in session.exec(own) if row.question.strip()}
        return [_use(rows[id_], reactions) for id_, reactions in by_interaction.items() if id_ in rows]


def spans_of_chunks(database: Database, collection: str) -> Mapping[str, Span]:
    """Return the span of each chunk that a reaction names, by id; those of other collections are not in it."""
    named = select(FeedbackRow.chunk_id).where(
        FeedbackRow.collection == collection, col(FeedbackRow.chunk_id).is_not(None)
    )
    columns = select(ChunkRow.id, ChunkRow.doc_id, ChunkRow.char_start, ChunkRow.char_end)
    own = columns.join(DocumentRow, col(DocumentRow.id) == ChunkRow.doc_id).where(DocumentRow.collection == collection)
    with database.reading() as session:
        rows = session.exec(own.where(col(ChunkRow.id).in_(named))).all()
    return {chunk_id: (doc_id, start, end) for chunk_id, doc_id, start, end in rows}


def _reaction(row: FeedbackRow) -> Reaction:
    assert row.id is not None
    value = None if row.value is None else int(row.value)
    kind = FeedbackKind(row.kind)
    return Reaction(row.id, row.user_fingerprint, kind, value, row.text, row.chunk_id, row.created_at)


def _use(row: InteractionRow, reactions: list[Reaction]) -> Use:
    said = _HISTORY.validate_json(row.history) if row.history else []
    alone = standing_question(row.question, [turn["content"] for turn in said if turn["role"] == "user"])
    ranked = sorted(row.retrieved, key=lambda passage: passage["rank"])
    return Use(
        id=row.id,
        release_id=row.release_id,
        question=alone or row.question,
        alone=alone is not None,
        shown=tuple(passage["chunk_id"] for passage in ranked),
        cited=tuple((c["doc_id"], c["char_start"], c["char_end"]) for c in row.citations),
        reactions=tuple(reactions),
        from_memory=(row.generator or "").startswith(_FROM_MEMORY),
    )
