"""Feedback -> questions with their evidence: those to learn from, and those that a person may take to judge by."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from sqlmodel import col, select

from rag.config import PairsConfig
from rag.corpus.artifact import load_text
from rag.errors import EmptyCorpus
from rag.feedback.evidence import Evidence, weighed
from rag.feedback.quarantine import sifted_uses
from rag.feedback.reactions import Span, spans_of_chunks
from rag.pairs.alignment import AlignableDocument, Refusal
from rag.pairs.collection import load_alignable
from rag.pairs.folding import FoldedText
from rag.pairs.free_answers import free_evidence
from rag.pairs.pair import Origin, QuestionType, Split
from rag.pairs.questions_file import RealQuestion
from rag.pairs.sentences import split_sentences
from rag.retrieval.lexical import Analyzer
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.database import Database
from storage.tables import DocumentRow, QueryPairRow

_LONG_SPAN = 500
"""Characters from which a span holds more than the answer, which is then looked for in it by the question's words."""


class FeedbackQuestions(NamedTuple):
    """Questions with evidence, by what they may be used for. They are in no table."""

    training: list[QueryPairRow]
    candidates: list[QueryPairRow]
    """Of documents that the evaluation set is made from."""


def feedback_questions(
    store: ArtifactStore,
    database: Database,
    collection: str,
    splits: Mapping[str, tuple[str, Split]],
    config: PairsConfig,
) -> FeedbackQuestions:
    """Return what all feedback on a collection tells of its documents, by question; `splits` is by document name."""
    uses = sifted_uses(database, collection, config).uses
    documents = _Documents(store, database, collection)
    evidence = weighed(uses, spans_of_chunks(database, collection), documents.locate)
    rows = [row for each in evidence if (row := _row(each, documents)) is not None and row.document in splits]
    rows.sort(key=lambda row: (row.anchor, row.document, row.answer_start))
    judged = [splits[row.document][1] is Split.EVALUATION for row in rows]
    return FeedbackQuestions(
        training=[row for row, judges in zip(rows, judged, strict=True) if not judges],
        candidates=[row for row, judges in zip(rows, judged, strict=True) if judges],
    )


class _Documents:
    """The collection's documents, also versions that were replaced, each opened when it is asked for."""

    def __init__(self, store: ArtifactStore, database: Database, collection: str) -> None:
        self._store, self._database, self.collection = store, database, collection
        self._texts: dict[str, str] = {}

    @cached_property
    def rows(self) -> dict[str, DocumentRow]:
        query = select(DocumentRow).where(DocumentRow.collection == self.collection)
        with self._database.reading() as session:
            return {row.id: row for row in session.exec(query.order_by(col(DocumentRow.id)))}

    @cached_property
    def _alignable(self) -> Mapping[str, AlignableDocument]:
        try:
            return load_alignable(self._store, self._database, self.collection)
        except EmptyCorpus:
            return {}

    def text(self, doc_id: str) -> str:
        if doc_id not in self._texts:
            self._texts[doc_id] = load_text(self._store, ArtifactRef.parse(self.rows[doc_id].artifact_uri)).text
        return self._texts[doc_id]

    def locate(self, question: str, answer: str) -> Span | None:
        """Return where a corrected answer stands, if it does."""
        if not answer.strip():
            return None
        found = free_evidence(RealQuestion(question=question, answer=answer), self._alignable)
        return None if isinstance(found, Refusal) else (found.doc_id, found.answer_start, found.answer_end)


def _row(evidence: Evidence, documents: _Documents) -> QueryPairRow | None:
    """Return the question with its evidence; None if that is not in a document of the collection."""
    doc_id, start, end = evidence.span
    document = documents.rows.get(doc_id)
    if document is None or not 0 <= start < end <= document.n_chars:
        return None
    text = documents.text(doc_id)
    if end - start > _LONG_SPAN:
        start, end = _narrowed(evidence.question, text, start, end)
    answer = evidence.said or text[start:end]
    key = "\x1f".join((evidence.question, document.name, str(start), str(end), answer))
    return QueryPairRow(
        id=hashlib.sha256(key.encode()).hexdigest()[:16],
        collection=document.collection,
        document=document.name,
        doc_id=doc_id,
        anchor=evidence.question,
        answer=answer,
        anchor_fingerprint="",
        answer_start=start,
        answer_end=end,
        question_type=QuestionType.FACTUAL,
        origin=Origin.FEEDBACK,
        weight=evidence.weight,
    )


def _narrowed(question: str, text: str, start: int, end: int) -> tuple[int, int]:
    """Return the sentence of a passage that shares most words with a question; the passage if none shares any."""
    stems: Callable[[str], Sequence[str]] = Analyzer()
    asked, passage = set(stems(question)), FoldedText(text[start:end])
    sentences = [sentence for line in text[start:end].split("\n") for sentence in split_sentences(line)]
    best = max(sentences, key=lambda sentence: len(asked & set(stems(sentence))), default="")
    spans = passage.find(best) if asked & set(stems(best)) else []
    return (start + spans[0][0], start + spans[0][1]) if spans else (start, end)
