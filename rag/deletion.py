"""Forgetting a document: its rows at once, then everything that was made of it.

The rows go in one transaction, which also notes what is left to do; each step after that may be done again, so a
deletion that was killed is finished by the next one, or by `finish_deletions`. What is at work with the document
meanwhile cannot write it down again: see `ArtifactStore.build`, `corpus_artifact` and `rag.corpus.deleted`.
"""

import logging
from collections.abc import Sequence, Set
from contextlib import AbstractContextManager
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete
from sqlmodel import Session, col, select

from rag.config import Config
from rag.corpus.artifact import active_documents, find_upload
from rag.corpus.traces import derived, model_facts, unneeded_files
from rag.errors import UnreadableDocument
from rag.feedback.claims import lock_feedback
from rag.feedback.redaction import QuotingUses, redact_uses
from rag.llm.access import LanguageModels
from rag.pairs.mined import LEARNED_FROM
from rag.pairs.wording import Wording
from rag.releases import refresh_release
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.columns import utc_now
from storage.errors import ProductionMoved
from storage.folders import locked
from storage.tables import ChunkRow, DeletionRow, DocumentRow, QueryPairRow, UploadRow
from storage.upload import UploadState

logger = logging.getLogger(__name__)

WITHDRAWN = "a document that it holds was deleted"
_FILES = ("upload", "document")
_SERVING = ("index", "chatmodel")
"""Parts of releases that hold the text of documents."""


class Deletion(BaseModel):
    """What went, and which models had learned from it before."""

    model_config = ConfigDict(frozen=True)

    name: str
    versions: int
    chunks: int
    pairs: int
    """Questions with their answers."""
    interactions_redacted: int
    artifacts: int
    withdrawn: tuple[int, ...]
    """Releases that held it: they cannot serve again."""
    releases: tuple[int, ...]
    """Releases with models whose training saw it."""
    serving: int | None
    """The release without it that serves; None if the collection has no documents left, or never had a release."""

    @property
    def serving_saw_it(self) -> bool:
        """Whether what serves has learned from it."""
        return self.serving in self.releases


def delete_document(space: Workspace, collection: str, name: str, config: Config) -> Deletion:
    """Remove a document with all its versions, and all that was made of it, but the weights of models that search.

    When it returns, no process answers from it. A deletion of that name that was killed is finished.

    :raises UnreadableDocument: if there is no such document.
    """
    row = _unfinished(space, collection, name) or _begin(space, collection, name)
    with _alone(space):
        return _finish(space, row, config)


def finish_deletions(space: Workspace, config: Config) -> Sequence[Deletion]:
    """Finish what was killed, and drop this machine's copies of what another one has removed from a bucket.

    Checkpoints go too of a training that was at work with a document when it was deleted, and was ended since.

    Returns at once while another process deletes.
    """
    with _alone(space, wait=False) as alone:
        if not alone:
            return []
        with space.database.reading() as session:
            rows = session.exec(select(DeletionRow).order_by(col(DeletionRow.id))).all()
        space.artifacts.remove_leftovers()
        for uri in {uri for row in rows for uri in row.artifacts}:
            space.artifacts.drop_copy(ArtifactRef.parse(uri))
        return [_finish(space, row, config) for row in rows if row.finished_at is None]


def _alone(space: Workspace, wait: bool = True) -> AbstractContextManager[bool]:
    return locked(space.home / "deletion.lock", wait=wait)


def _unfinished(space: Workspace, collection: str, name: str) -> DeletionRow | None:
    with space.database.reading() as session:
        query = select(DeletionRow).where(DeletionRow.collection == collection, col(DeletionRow.finished_at).is_(None))
        return next((row for row in session.exec(query) if row.name == name), None)


def _begin(space: Workspace, collection: str, name: str) -> DeletionRow:
    """Remove the rows in one transaction; from then on nothing new is made of the document."""
    wording = _wording(space, collection, name)
    quoting = QuotingUses(collection, wording)
    with space.database.reading() as session:
        quoting.look(session)
    with space.database.session() as session:
        space.database.lock(session, f"document:{collection}:{name}")
        versions = session.exec(
            select(DocumentRow).where(DocumentRow.collection == collection, DocumentRow.name == name)
        ).all()
        if not versions:
            raise UnreadableDocument(f"no document {name!r} in the collection {collection!r}: see `ragloop documents`")
        doc_ids = {row.id for row in versions}
        uploads = [find_upload(space.artifacts, row.content_sha256) for row in versions]
        lock_feedback(space.database, session, collection)
        quoting.look(session)
        sent = _refuse_uploads(session, collection, name, utc_now())
        row = DeletionRow(
            collection=collection,
            name=name,
            doc_ids=sorted(doc_ids),
            artifacts=sorted({row.artifact_uri for row in versions} | {ref.uri for ref in uploads if ref} | sent),
            counts={
                "versions": len(versions),
                "chunks": _remove_chunks(session, doc_ids),
                "pairs": _remove_pairs(session, collection, name, doc_ids, wording),
                "interactions_redacted": redact_uses(session, collection, doc_ids, quoting.ids),
            },
        )
        for version in versions:
            session.delete(version)
        session.add(row)
        session.flush()
        return row


def _wording(space: Workspace, collection: str, name: str) -> Wording:
    """Return the words that stand in this document and in none that stays."""
    rows = select(ChunkRow.text).join(DocumentRow, col(DocumentRow.id) == ChunkRow.doc_id)
    rows = rows.where(DocumentRow.collection == collection)
    stay = rows.where(DocumentRow.name != name, col(DocumentRow.active))
    with space.database.reading() as session:
        return Wording(session.exec(rows.where(DocumentRow.name == name)), session.exec(stay))


def _remove_chunks(session: Session, doc_ids: Set[str]) -> int:
    result = session.connection().execute(delete(ChunkRow).where(col(ChunkRow.doc_id).in_(doc_ids)))
    return int(result.rowcount)


def _remove_pairs(session: Session, collection: str, name: str, doc_ids: Set[str], wording: Wording) -> int:
    """Remove the questions that it answers, and those that quote it."""
    rows = session.exec(select(QueryPairRow).where(QueryPairRow.collection == collection)).all()
    own = [
        row
        for row in rows
        if row.document == name or row.doc_id in doc_ids or wording.quoted_in(row.anchor, row.answer)
    ]
    for row in own:
        session.delete(row)
    return len(own)


def _refuse_uploads(session: Session, collection: str, name: str, now: datetime) -> set[str]:
    """Let no upload of that name be read any more, and forget those that were; return the files, by URI."""
    rows = session.exec(select(UploadRow).where(UploadRow.collection == collection, UploadRow.name == name)).all()
    for row in rows:
        if row.finished_at is not None:
            session.delete(row)
        else:
            row.state, row.reason, row.finished_at = UploadState.REFUSED, "the document was deleted", now
    return {row.artifact_uri for row in rows}


def _finish(space: Workspace, row: DeletionRow, config: Config) -> Deletion:
    """Do what is left; any of it may have been done before."""
    with space.database.reading() as session:
        row = session.get_one(DeletionRow, row.id)
    collection, doc_ids = row.collection, set(row.doc_ids)
    space.artifacts.remove_leftovers()
    _replace_releases(space, row, config)
    n_removed = _remove_artifacts(space, row)
    withdrawn = _replace_releases(space, row, config)  # also one that was registered meanwhile
    LanguageModels.of(space).ledger.forget(doc_ids)
    row.finished_at = row.finished_at or utc_now()
    with space.database.session() as session:
        session.merge(row)
    space.database.empty_log()
    production = space.registry.production(collection)
    return Deletion(
        name=row.name,
        **row.counts,
        artifacts=n_removed,
        withdrawn=tuple(withdrawn),
        releases=_releases_that_learned(space, collection, doc_ids),
        serving=production.id if production else None,
    )


def _replace_releases(space: Workspace, row: DeletionRow, config: Config) -> Sequence[int]:
    """Let the documents that are left serve under the models that did, and nothing that holds the deleted one."""
    registry, collection = space.registry, row.collection
    while True:
        left = active_documents(space.database, collection)
        if left and registry.production(collection) is not None:
            refresh_release(space, collection, config)
        _note_artifacts(space, row)
        parts = {uri for uri in row.artifacts if ArtifactRef.parse(uri).kind in _SERVING}  # removed ones too
        try:
            return registry.withdraw(collection, parts, WITHDRAWN, production_too=not left)
        except ProductionMoved:
            logger.info("another release began to serve %s meanwhile: replacing that one", collection)


def _note_artifacts(space: Workspace, row: DeletionRow) -> list[ArtifactRef]:
    """Return what is made of the document and still there; it is noted first, to be known again after a kill."""
    noted = [ArtifactRef.parse(uri) for uri in row.artifacts]
    uploads = [ref for ref in noted if ref.kind == "upload"]
    found = derived(space.artifacts, set(row.doc_ids), {ref.digest for ref in noted if ref.kind not in _FILES})
    found += unneeded_files(space.artifacts, space.database, uploads)
    new = {ref.uri for ref in found}.difference(row.artifacts)
    if new:
        row.artifacts = sorted({*row.artifacts, *new})
        with space.database.session() as session:
            session.merge(row)
    return found


def _remove_artifacts(space: Workspace, row: DeletionRow) -> int:
    """Remove them until none is left: what was at work may have made one more."""
    removed: set[ArtifactRef] = set()
    while found := _note_artifacts(space, row):
        for ref in found:
            space.artifacts.remove(ref)
        removed.update(found)
    return len(removed)


def _releases_that_learned(space: Workspace, collection: str, doc_ids: Set[str]) -> tuple[int, ...]:
    """Return the releases with a model whose training saw a document; one that does not say what it saw counts."""
    saw = []
    for release in space.registry.list(collection):
        facts = model_facts(space.artifacts, (release.embedder, release.reranker))
        if any(LEARNED_FROM not in each or not doc_ids.isdisjoint(each[LEARNED_FROM]) for each in facts):
            saw.append(release.id)
    return tuple(saw)
