"""Which documents were deleted: what is still at work with one must not write it down."""

from collections.abc import Set
from datetime import datetime

from sqlalchemy import or_
from sqlmodel import Session, col, select

from rag.errors import UnreadableDocument
from storage.database import Database
from storage.tables import DeletionRow, DocumentRow

_AT_ONCE = 500
"""Ids in one query: a database takes no more than some thousands."""


def deleted_ids(session: Session, collection: str) -> Set[str]:
    """Return the ids of the documents of a collection that were deleted, without those that came back."""
    ids: set[str] = set()
    for gone in session.exec(select(DeletionRow.doc_ids).where(DeletionRow.collection == collection)):
        ids.update(gone)
    known = sorted(ids)
    for first in range(0, len(known), _AT_ONCE):
        some = col(DocumentRow.id).in_(known[first : first + _AT_ONCE])
        ids.difference_update(session.exec(select(DocumentRow.id).where(some)).all())
    return ids


def collection_deleted_ids(database: Database, collection: str) -> Set[str]:
    """Return the same, in a session of its own."""
    with database.reading() as session:
        return deleted_ids(session, collection)


def refuse_deleted(session: Session, collection: str, name: str, since: datetime) -> None:
    """Check that a file may become a document: one that was there before a deletion of its name may not.

    :param since: when the file came.
    :raises UnreadableDocument: if it may not.
    """
    later = or_(col(DeletionRow.finished_at).is_(None), col(DeletionRow.created_at) >= since)
    if name in session.exec(select(DeletionRow.name).where(DeletionRow.collection == collection, later)).all():
        raise UnreadableDocument(f"{name} was deleted while it was read: add it again if it is to come back")
