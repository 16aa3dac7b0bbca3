"""What is kept of uses that a deleted document had a part in: that somebody asked and reacted, not what was said."""

from collections.abc import Sequence, Set
from typing import Any

from sqlalchemy import select as sa_select
from sqlalchemy.orm import load_only
from sqlmodel import Session, col, select

from rag.pairs.wording import Wording
from storage.tables import FeedbackRow, InteractionRow

_AT_ONCE = 500
"""Ids in one query: a database takes no more than some thousands."""


class QuotingUses:
    """The interactions of a collection that quote a document; each text is read once, however often one looks."""

    def __init__(self, collection: str, wording: Wording) -> None:
        self._collection, self._wording = collection, wording
        self._read: set[str | int] = set()
        self.ids: set[str] = set()

    def look(self, session: Session) -> None:
        """Read what came since the last look; the first, which takes long, is best in a session that only reads."""
        self._look(session, InteractionRow, "id", "question", "answer", "history")
        self._look(session, FeedbackRow, "interaction_id", "text")

    def _look(self, session: Session, table: type[InteractionRow | FeedbackRow], *names: str) -> None:
        own = select(table.id).where(table.collection == self._collection)
        new = [id_ for id_ in session.exec(own) if id_ is not None and id_ not in self._read]
        self._read.update(new)
        columns = [getattr(table, name) for name in names]
        for first in range(0, len(new), _AT_ONCE):
            some = col(table.id).in_(new[first : first + _AT_ONCE])
            for of, *texts in session.connection().execute(sa_select(*columns).where(some)):
                if self._wording.quoted_in(*texts):
                    self.ids.add(of)


def redact_uses(session: Session, collection: str, doc_ids: Set[str], quoting: Set[str]) -> int:
    """Redact the interactions of a collection that rest on any of these documents, or quote them; return how many.

    `quoting` holds the ids of the latter. Where the answer cites one, or question, answer, history or a reaction quotes
    one, all of these texts go: the question is then "", and no training reads it. Where one was merely found, it is no
    longer among what was; the question stays, and so does the answer if it cites others.
    """
    asked = select(InteractionRow).where(InteractionRow.collection == collection)
    asked = asked.options(_only(InteractionRow, "retrieved", "citations")).execution_options(yield_per=1000)
    redacted = [row for row in session.exec(asked) if redact(row, doc_ids, row.id in quoting)]
    emptied = {row.id for row in redacted if not row.question}
    said = select(FeedbackRow).where(FeedbackRow.collection == collection, col(FeedbackRow.text).is_not(None))
    for reaction in session.exec(said.options(_only(FeedbackRow, "interaction_id"))):
        if reaction.interaction_id in emptied:
            reaction.text = None
    return len(redacted)


def _only(table: type[InteractionRow | FeedbackRow], *names: str) -> Any:
    """Leave the other columns, which are sealed, where they are."""
    return load_only(*(getattr(table, name) for name in names))


def redact(row: InteractionRow, doc_ids: Set[str], quoted: bool = False) -> bool:
    """Take out of an interaction what it has of these documents; returns whether it had anything."""
    left = [passage for passage in row.retrieved if _doc_id(passage["chunk_id"]) not in doc_ids]
    if quoted or any(citation.get("doc_id") in doc_ids for citation in row.citations):
        row.question, row.answer, row.history = "", None, None
        row.citations, row.retrieved = _others(row.citations, doc_ids), left
        return True
    if len(left) == len(row.retrieved):
        return False
    row.retrieved = left
    if not row.citations:
        row.answer = None  # nothing says that it rests on anything else
    return True


def _others(citations: Sequence[dict[str, object]], doc_ids: Set[str]) -> list[dict[str, object]]:
    return [citation for citation in citations if citation.get("doc_id") not in doc_ids]


def _doc_id(chunk_id: str) -> str:
    return chunk_id.rpartition(":")[0]
