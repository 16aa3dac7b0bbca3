"""Files -> sealed documents and their chunks, in rows. A file that cannot be read never stops the others."""

import hashlib
import logging
import os
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import col, select

from rag.config import ChunkingConfig
from rag.corpus.artifact import document_artifact, load_upload, upload_artifact
from rag.corpus.chunking import Chunker
from rag.corpus.deleted import refuse_deleted
from rag.corpus.document import Chunk, DocumentText
from rag.corpus.files import check_name, find_documents
from rag.corpus.parsing import extract_all
from rag.corpus.traces import remove_unneeded_files
from rag.errors import UnreadableDocument
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.columns import utc_now
from storage.database import Database
from storage.tables import ChunkRow, DocumentRow, UploadRow
from storage.upload import UNREAD

logger = logging.getLogger(__name__)


class Upload(BaseModel):
    """A sealed file that waits to be read, by reference."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    n_bytes: int
    ref: ArtifactRef
    sealed_at: datetime = Field(default_factory=utc_now)
    """When it came: a deletion after that is of this file too."""


class IngestSummary(BaseModel):
    """What became of the files."""

    model_config = ConfigDict(frozen=True)

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    refused: dict[str, str] = {}
    """Name -> reason."""
    skipped: tuple[str, ...] = ()
    """Hidden files and unknown kinds that were passed over."""
    chunks: int = 0
    """Chunks written."""

    @property
    def nothing_read(self) -> bool:
        """Whether every file was refused."""
        return not (self.added or self.updated or self.unchanged)

    def __add__(self, other: "IngestSummary") -> "IngestSummary":
        return IngestSummary(
            added=self.added + other.added,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            refused=self.refused | other.refused,
            skipped=self.skipped + other.skipped,
            chunks=self.chunks + other.chunks,
        )


class Intake(BaseModel):
    """What was taken in, and what became of the rest."""

    model_config = ConfigDict(frozen=True)

    uploads: tuple[Upload, ...]
    rest: IngestSummary


def seal_uploads(store: ArtifactStore, database: Database, collection: str, sources: Sequence[str]) -> Intake:
    """Seal the documents found at paths and URIs; the same bytes under the same name are left alone.

    :raises UnreadableDocument: if a source does not exist, or two files would have one name.
    :raises EmptyCorpus: if there is no document.
    """
    found = find_documents(sources)
    rest = IngestSummary(skipped=tuple(file.name for file in found.skipped))
    uploads: list[Upload] = []
    known = _active_digests(database, collection)
    for file in found.files:
        try:
            check_name(file.name)
            data = file.read()
        except UnreadableDocument as error:
            rest += IngestSummary(refused={file.name: str(error)})
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        if known.get(file.name) == sha256:
            rest += IngestSummary(unchanged=(file.name,))
        else:
            ref = upload_artifact(store, data)
            uploads.append(Upload(name=file.name, sha256=sha256, n_bytes=len(data), ref=ref))
    return Intake(uploads=tuple(uploads), rest=rest)


def batches(uploads: Sequence[Upload], n_files: int, n_bytes: int) -> list[tuple[Upload, ...]]:
    """Divide uploads, in order, into batches of at most `n_files`, and of `n_bytes` unless one file has more."""
    divided: list[list[Upload]] = []
    room = 0
    for upload in uploads:
        if not divided or len(divided[-1]) == n_files or upload.n_bytes > room:
            divided.append([])
            room = n_bytes
        divided[-1].append(upload)
        room -= upload.n_bytes
    return [tuple(batch) for batch in divided]


def ingest_uploads(
    store: ArtifactStore, database: Database, collection: str, uploads: Sequence[Upload], config: ChunkingConfig
) -> IngestSummary:
    """Read, cut and record sealed files; a name that is known gets a new version, unless its bytes are the same.

    Files that are refused stay until `remove_refused`: another batch may have the same bytes.
    """
    known = _active_digests(database, collection)
    unchanged = tuple(upload.name for upload in uploads if known.get(upload.name) == upload.sha256)
    new = [upload for upload in uploads if upload.name not in unchanged]
    here = [upload for upload in new if store.find(upload.ref.kind, upload.ref.digest) is not None]
    gone = [upload.name for upload in new if upload not in here]
    refused = {name: f"{name} was deleted while it waited: add it again" for name in gone}
    summary = IngestSummary(unchanged=unchanged, refused=refused)
    chunker = Chunker(config)
    opened = ((upload.name, load_upload(store, upload.ref)) for upload in here)
    read = extract_all(opened, workers=os.cpu_count() or 1, total=len(here))
    for upload, (name, text) in zip(here, read, strict=True):
        if isinstance(text, UnreadableDocument):
            summary += IngestSummary(refused={name: str(text)})
            continue
        chunks = chunker.chunk(text, document_id(collection, name, upload.sha256))
        if not chunks:
            reason = f"{name} has no text: check that it is the right file"
            summary += IngestSummary(refused={name: reason})
            continue
        try:
            _record(database, collection, upload, text, chunks, document_artifact(store, upload.ref, text))
        except UnreadableDocument as error:
            remove_unneeded_files(store, database, [upload.ref])
            summary += IngestSummary(refused={name: str(error)})
            continue
        done = IngestSummary(updated=(name,)) if name in known else IngestSummary(added=(name,))
        summary += done.model_copy(update={"chunks": len(chunks)})
    return summary


def remove_refused(
    store: ArtifactStore, database: Database, uploads: Iterable[Upload], refused: Container[str]
) -> None:
    """Remove the sealed files whose names were refused, unless the same bytes are a document or wait to be read."""
    files = {upload.sha256: upload.ref for upload in uploads if upload.name in refused}
    if not files:
        return
    with database.reading() as session:
        needed = set(session.exec(select(DocumentRow.content_sha256)))
        needed.update(session.exec(select(UploadRow.content_sha256).where(col(UploadRow.state).in_(UNREAD))))
    for sha256 in files.keys() - needed:
        store.remove(files[sha256])


def document_id(collection: str, name: str, sha256: str) -> str:
    """Return the id of one version of one document, from the digest of its bytes."""
    key = "\x1f".join((collection, name, sha256))
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _active_digests(database: Database, collection: str) -> dict[str, str]:
    with database.reading() as session:
        query = select(DocumentRow.name, DocumentRow.content_sha256)
        return dict(session.exec(query.where(DocumentRow.collection == collection, col(DocumentRow.active))).all())


def _record(
    database: Database,
    collection: str,
    upload: Upload,
    text: DocumentText,
    chunks: Sequence[Chunk],
    ref: ArtifactRef,
) -> None:
    """Write the document's rows in one transaction; an older version stays, no longer active.

    :raises UnreadableDocument: if the document was deleted after the file had come.
    """
    doc_id = document_id(collection, upload.name, upload.sha256)
    with database.session() as session:
        database.lock(session, f"document:{collection}:{upload.name}")
        refuse_deleted(session, collection, upload.name, upload.sealed_at)
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
                content_sha256=upload.sha256,
                media_type=text.media_type,
                size_bytes=upload.n_bytes,
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
