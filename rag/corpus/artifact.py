"""In the artifact store: each file as it came, its text, and a collection's chunks as they stand."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from sqlmodel import col, select

from rag.corpus.document import Chunk, DocumentText
from rag.errors import DocumentNotFound, EmptyCorpus
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.database import Database
from storage.tables import ChunkRow, DocumentRow

CORPUS = "corpus"
"""The kind of a collection's chunks, and the name under which an index has them among its inputs."""
_ORIGINAL, _TEXT = "original.encrypted", "text.encrypted"
_CHUNKS, _NAMES = "chunks.encrypted", "documents.encrypted"
MADE_OF = "made_of"
"""Among the facts of an artifact whose digest does not tell it: ids of documents, or digests, whose text it holds."""


def upload_artifact(store: ArtifactStore, data: bytes) -> ArtifactRef:
    """Seal a file as it came, before anything parses it."""

    def write(draft: Draft) -> None:
        draft.seal(_ORIGINAL, data)

    inputs = {"bytes": hashlib.sha256(data).hexdigest()}
    return store.build("upload", inputs=inputs, config=None, recipe=[], write=write)


def find_upload(store: ArtifactStore, sha256: str) -> ArtifactRef | None:
    """Return the sealed file whose bytes have this digest, or None."""
    return store.find("upload", store.digest("upload", {"bytes": sha256}, None, []))


def load_upload(store: ArtifactStore, ref: ArtifactRef) -> bytes:
    """Open a file as it came."""
    return store.unseal(ref, _ORIGINAL)


def document_artifact(store: ArtifactStore, upload: ArtifactRef, text: DocumentText) -> ArtifactRef:
    """Seal the text that was read from an upload."""
    plain = text.model_dump_json().encode()

    def write(draft: Draft) -> dict[str, Any]:
        draft.seal(_TEXT, plain)
        return {"media_type": text.media_type, "pages": len(text.pages), "characters": len(text.text)}

    inputs = {"upload": upload.digest, "text": hashlib.sha256(plain).hexdigest()}
    return store.build("document", inputs=inputs, config=None, recipe=[], write=write)


def load_text(store: ArtifactStore, ref: ArtifactRef) -> DocumentText:
    """Open a document's extracted text."""
    return DocumentText.model_validate_json(store.unseal(ref, _TEXT))


def active_documents(database: Database, collection: str) -> list[DocumentRow]:
    """Return the current version of each document of a collection, by name."""
    with database.reading() as session:
        query = select(DocumentRow).where(DocumentRow.collection == collection, col(DocumentRow.active))
        return list(session.exec(query.order_by(DocumentRow.name)).all())


def find_document(database: Database, collection: str, doc_id: str) -> DocumentRow:
    """Return a version of a document by its id, whether it is the current one or not.

    :raises DocumentNotFound: if the collection has none with that id.
    """
    with database.reading() as session:
        row = session.get(DocumentRow, doc_id)
    if row is None or row.collection != collection:
        raise DocumentNotFound(
            f"no document {doc_id} in the collection {collection!r}: give the doc_id of a citation, or the id of a "
            "document that is listed"
        )
    return row


def corpus_artifact(store: ArtifactStore, database: Database, collection: str) -> ArtifactRef:
    """Return the collection's chunks as they stand, as one artifact that later steps read.

    :raises EmptyCorpus: if the collection has no documents.
    """
    while True:
        documents = active_documents(database, collection)
        if not documents:
            raise EmptyCorpus(f"no documents in the collection {collection!r}: add some with `ragloop ingest PATH`")
        ref = _corpus_of(store, database, documents)
        if {document.id for document in documents} <= _known_ids(database, collection):
            return ref
        store.remove(ref)  # one was deleted while its chunks were read: see rag.deletion


def _corpus_of(store: ArtifactStore, database: Database, documents: Sequence[DocumentRow]) -> ArtifactRef:
    def write(draft: Draft) -> dict[str, Any]:
        chunks = _chunks_of(database, documents)
        draft.seal(_CHUNKS, _lines(chunks))
        refs = {d.id: {"digest": d.artifact_digest, "uri": d.artifact_uri} for d in documents}
        draft.seal(_NAMES, json.dumps(refs).encode())
        return {"documents": len(documents), "chunks": len(chunks)}

    inputs = {d.name: f"{d.id}:{d.n_chunks}" for d in documents}
    return store.build(CORPUS, inputs=inputs, config=None, recipe=[], write=write)


def foreign_corpus(store: ArtifactStore, chunks: Sequence[Chunk]) -> ArtifactRef:
    """Return passages that are of no collection as a corpus that can be indexed; they have no texts behind them."""
    lines = _lines(chunks)

    def write(draft: Draft) -> None:
        draft.seal(_CHUNKS, lines)

    inputs = {"chunks": hashlib.sha256(lines).hexdigest()}
    return store.build(CORPUS, inputs=inputs, config=None, recipe=[], write=write)


def _lines(chunks: Sequence[Chunk]) -> bytes:
    return "\n".join(chunk.model_dump_json() for chunk in chunks).encode()


def _known_ids(database: Database, collection: str) -> set[str]:
    with database.reading() as session:
        return set(session.exec(select(DocumentRow.id).where(DocumentRow.collection == collection)).all())


def load_chunks(store: ArtifactStore, corpus: ArtifactRef) -> list[Chunk]:
    """Open a corpus's chunks, by document name and place."""
    lines = store.unseal(corpus, _CHUNKS).splitlines()
    return [Chunk.model_validate_json(line) for line in lines]


def load_texts(store: ArtifactStore, corpus: ArtifactRef) -> dict[str, DocumentText]:
    """Open the extracted text of a corpus's documents, by document id."""
    refs: dict[str, dict[str, str]] = json.loads(store.unseal(corpus, _NAMES))
    return {doc_id: load_text(store, ArtifactRef(kind="document", **ref)) for doc_id, ref in refs.items()}


def _chunks_of(database: Database, documents: Sequence[DocumentRow]) -> list[Chunk]:
    names = {d.id: d.name for d in documents}
    with database.reading() as session:
        query = select(ChunkRow).where(col(ChunkRow.doc_id).in_(names)).order_by(col(ChunkRow.chunk_index))
        rows = [
            Chunk(document=names[row.doc_id], **row.model_dump(include=set(Chunk.model_fields) - {"document"}))
            for row in session.exec(query).all()
        ]
    return sorted(rows, key=lambda c: (c.document, c.chunk_index))
