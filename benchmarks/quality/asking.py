"""Ask a system every question, one after the other, as people do."""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rag.corpus.document import Chunk
from rag.evaluation.metrics import question_metrics, relevant_positions
from rag.pairs.pair import Origin, QueryPair, QuestionType, Split

from .data import Question
from .results import Answered
from .systems import Search


class Exam:
    """Questions about some chunks, and which chunks answer each."""

    def __init__(self, questions: Sequence[Question], chunks: Sequence[Chunk]) -> None:
        self.questions = questions
        self._position = {chunk.chunk_id: i for i, chunk in enumerate(chunks)}
        self._relevant = [answering(question, chunks) for question in questions]

    def ask(self, search: Search) -> list[Answered]:
        """Return what each question found, and how long it took; the first search, which warms up, does not count."""
        search("What does this collection hold?")
        answers = []
        for question, relevant in zip(self.questions, self._relevant, strict=True):
            began = time.perf_counter()
            found = search(question.text)
            latency_ms = (time.perf_counter() - began) * 1000
            ranked = np.array([self._position[chunk.chunk_id] for chunk in found], dtype=np.int64)
            metrics = question_metrics(ranked, relevant)
            document, latency_ms = question.document, round(latency_ms, 2)
            answers.append(Answered(question=question.id, document=document, metrics=metrics, latency_ms=latency_ms))
        return answers


def answering(question: Question, chunks: Sequence[Chunk]) -> NDArray[np.int64]:
    """Return the positions of the chunks that hold half of a span; if no span is given, all of the document's."""
    own = [i for i, chunk in enumerate(chunks) if chunk.document == question.document]
    if not question.spans:
        return np.array(own, dtype=np.int64)
    near = [chunks[i] for i in own]
    found = [np.array(own)[relevant_positions(_pair(question, span, near[0].doc_id), near)] for span in question.spans]
    return np.unique(np.concatenate(found))


def _pair(question: Question, span: tuple[int, int], doc_id: str) -> QueryPair:
    return QueryPair(
        id=question.id,
        anchor=question.text,
        answer=question.answer,
        doc_id=doc_id,
        document=question.document,
        answer_start=span[0],
        answer_end=span[1],
        question_type=QuestionType.FACTUAL,
        origin=Origin.REAL,
        split=Split.EVALUATION,
        group=question.document,
    )
