"""The real questions of a collection: imported, aligned, kept in rows."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select
from tqdm import tqdm

from rag.config import ChunkingConfig
from rag.corpus.artifact import active_documents, load_text
from rag.corpus.cleaning import kept_spans
from rag.corpus.deleted import deleted_ids
from rag.corpus.document import DocumentText
from rag.errors import EmptyCorpus
from rag.pairs.alignment import AlignableDocument, Evidence, Refusal, align
from rag.pairs.pair import Origin, QuestionType
from rag.pairs.questions_file import RealQuestion
from rag.pairs.words import normalize
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.database import Database
from storage.sealing import Sealer
from storage.tables import QueryPairRow


class ImportSummary(BaseModel):
    """What became of the questions of a file."""

    model_config = ConfigDict(frozen=True)

    imported: int
    duplicates: int
    refused: tuple[str, ...]
    """One line a question: which, and why."""


def load_alignable(store: ArtifactStore, database: Database, collection: str) -> dict[str, AlignableDocument]:
    """Open the collection's documents as something to align with, by document id.

    :raises EmptyCorpus: if there are none.
    """
    rows = active_documents(database, collection)
    if not rows:
        raise EmptyCorpus(f"no documents in the collection {collection!r}: add some with `ragloop ingest PATH`")
    texts = {row.id: load_text(store, ArtifactRef.parse(row.artifact_uri)) for row in rows}
    return {doc_id: alignable(doc_id, text) for doc_id, text in texts.items()}


def alignable(doc_id: str, text: DocumentText) -> AlignableDocument:
    """Return a document as something that answers are looked up in."""
    kept = tuple(kept_spans(text, ChunkingConfig()))
    return AlignableDocument(doc_id=doc_id, name=text.name, text=text.text, kept=kept)


def import_questions(
    database: Database,
    sealer: Sealer,
    collection: str,
    questions: Sequence[RealQuestion],
    documents: Mapping[str, AlignableDocument],
) -> ImportSummary:
    """Align questions with the documents and keep them, in one transaction; those known already are counted."""
    refused: list[str] = []
    rows: dict[str, QueryPairRow] = {}
    for question in tqdm(questions, desc="aligning", delay=2, disable=None):
        found = _evidence(question, documents)
        if isinstance(found, Refusal):
            refused.append(str(found))
        else:
            row = _row(sealer, collection, question, found)
            rows.setdefault(row.id, row)
    with database.session() as session:
        known = set(session.exec(select(QueryPairRow.id).where(QueryPairRow.collection == collection)).all())
        gone = deleted_ids(session, collection)
        refused += [f"{row.document}: it was deleted meanwhile" for row in rows.values() if row.doc_id in gone]
        fresh = [row for row in rows.values() if row.id not in known and row.doc_id not in gone]
        session.add_all(fresh)
    duplicates = len(questions) - len(refused) - len(fresh)
    return ImportSummary(imported=len(fresh), duplicates=duplicates, refused=tuple(refused))


def real_questions(database: Database, collection: str) -> list[QueryPairRow]:
    """Return the questions kept for a collection, by id."""
    with database.reading() as session:
        query = select(QueryPairRow).where(QueryPairRow.collection == collection).order_by(col(QueryPairRow.id))
        return list(session.exec(query).all())


def _evidence(question: RealQuestion, documents: Mapping[str, AlignableDocument]) -> Evidence | Refusal:
    if question.origin is Origin.SYNTHETIC:
        return Refusal(question.label, "is synthetic: import what people asked, ragloop writes the rest itself")
    return align(question, documents)


def _row(sealer: Sealer, collection: str, question: RealQuestion, found: Evidence) -> QueryPairRow:
    fingerprint = sealer.fingerprint(normalize(question.question))
    key = "\x1f".join((collection, fingerprint, found.document))
    return QueryPairRow(
        id=hashlib.sha256(key.encode()).hexdigest()[:16],
        collection=collection,
        document=found.document,
        doc_id=found.doc_id,
        anchor=question.question,
        answer=question.answer,
        anchor_fingerprint=fingerprint,
        answer_start=found.answer_start,
        answer_end=found.answer_end,
        question_type=question.question_type or QuestionType.FACTUAL,
        origin=Origin.REAL,
        source_id=question.id,
        created_at=datetime.now(UTC),
    )
