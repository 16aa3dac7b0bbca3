"""Files -> sealed documents and their chunks, in rows. A file that cannot be read never stops the others."""

import hashlib
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from rag.config import ChunkingConfig
from rag.corpus.artifact import document_artifact
from rag.corpus.chunking import Chunker
from rag.corpus.document import Chunk, DocumentText
from rag.corpus.files import SourceFile
from rag.corpus.parsing import extract_all
from rag.errors import UnreadableDocument
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.database import Database
from storage.tables import ChunkRow, DocumentRow

logger = logging.getLogger(__name__)


class IngestSummary(BaseModel):
    """What became of the files."""

    model_config = ConfigDict(frozen=True)

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    refused: dict[str, str] = {}
    """Name -> reason."""
    chunks: int = 0
    """Chunks written."""

    def __add__(self, other: "IngestSummary") -> "IngestSummary":
        return IngestSummary(
            added=self.added + other.added,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            refused=self.refused | other.refused,
            chunks=self.chunks + other.chunks,
        )


def ingest_files(
    store: ArtifactStore,
    database: Database,
    collection: str,
    files: Sequence[SourceFile],
    config: ChunkingConfig,
) -> IngestSummary:
    """Read, seal, cut and record the files. The same bytes twice are left alone; changed bytes are a new version."""
    summary = IngestSummary()
    fresh: list[tuple[SourceFile, bytes]] = []
    known = _active_digests(database, collection)
    for file in files:
        try:
            data = file.read()
        except UnreadableDocument as error:
            summary += IngestSummary(refused={file.name: str(error)})
            continue
        if known.get(file.name) == _sha256(data):
            summary += IngestSummary(unchanged=(file.name,))
        else:
            fresh.append((file, data))
    chunker = Chunker(config)
    read = extract_all([(file.name, data) for file, data in fresh], workers=os.cpu_count() or 1)
    for (file, data), (_, text) in zip(fresh, read, strict=True):
        if isinstance(text, UnreadableDocument):
            summary += IngestSummary(refused={file.name: str(text)})
            continue
        doc_id = document_id(collection, file.name, data)
        chunks = chunker.chunk(text, doc_id)
        if not chunks:
            reason = f"{file.name} has no text: check that it is the right file"
            summary += IngestSummary(refused={file.name: reason})
            continue
        ref = document_artifact(store, data, text)
        _record(database, collection, doc_id, data, text, chunks, ref)
        names = (file.name,)
        done = IngestSummary(updated=names) if file.name in known else IngestSummary(added=names)
        summary += done.model_copy(update={"chunks": len(chunks)})
    return summary


def document_id(collection: str, name: str, data: bytes) -> str:
    """Return the id of one version of one document."""
    key = "\x1f".join((collection, name, _sha256(data)))
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _active_digests(database: Database, collection: str) -> dict[str, str]:
    with database.reading() as session:
        query = select(DocumentRow.name, DocumentRow.content_sha256)
        return dict(session.exec(query.where(DocumentRow.collection == collection, col(DocumentRow.active))).all())


def _record(
    database: Database,
    collection: str,
    doc_id: str,
    data: bytes,
    text: DocumentText,
    chunks: Sequence[Chunk],
    ref: ArtifactRef,
) -> None:
    """Write the document's rows in one transaction; an older version stays, no longer active."""
    with database.session() as session:
        same_name = select(DocumentRow).where(DocumentRow.collection == collection, DocumentRow.name == text.name)
        versions = list(session.exec(same_name).all())
        for row in versions:
            row.active = False
        returning = next((row for row in versions if row.id == doc_id), None)
        if returning is not None:
            returning.active = True
            return
        session.add(
            DocumentRow(
                id=doc_id,
                collection=collection,
                name=text.name,
                version=len(versions) + 1,
                content_sha256=_sha256(data),
                media_type=text.media_type,
                size_bytes=len(data),
                n_pages=len(text.pages),
                n_chars=len(text.text),
                n_chunks=len(chunks),
                artifact_uri=ref.uri,
                artifact_digest=ref.digest,
                split=versions[0].split if versions else None,
                active=True,
                ingested_at=datetime.now(UTC),
            )
        )
        session.flush()
        session.add_all(ChunkRow(id=chunk.chunk_id, **chunk.model_dump(exclude={"document"})) for chunk in chunks)
