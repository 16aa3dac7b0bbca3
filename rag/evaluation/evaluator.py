"""Run a release over the evaluation set, through the whole retrieval pipeline."""

import time
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from rag.errors import EmptyCorpus
from rag.evaluation.metrics import DEPTH, question_metrics, relevant_positions
from rag.evaluation.report import QuestionResult
from rag.pairs.pair import QueryPair
from rag.retrieval.query import Query
from rag.retrieval.retriever import Retriever


def evaluate_retrieval(retriever: Retriever, questions: Sequence[QueryPair]) -> tuple[QuestionResult, ...]:
    """Return each question's metrics and time.

    Questions of documents that the index lacks, or holds in another version, are left out.

    :raises EmptyCorpus: if no question is left.
    """
    chunks = retriever.index.chunks
    indexed = {chunk.doc_id for chunk in chunks}
    questions = [pair for pair in questions if pair.doc_id in indexed]
    if not questions:
        raise EmptyCorpus("no evaluation question for this release: import some with `ragloop pairs import FILE.jsonl`")
    position = {chunk.chunk_id: i for i, chunk in enumerate(chunks)}
    retriever.search(Query(id="warm-up", question=questions[0].anchor), DEPTH)
    results = []
    for pair in tqdm(questions, desc="evaluating", delay=2, disable=None):
        start = time.perf_counter()
        hits = retriever.search(Query(id=pair.id, question=pair.anchor), DEPTH)
        elapsed_ms = (time.perf_counter() - start) * 1000
        ranked = np.array([position[hit.chunk.chunk_id] for hit in hits], dtype=np.int64)
        results.append(
            QuestionResult(
                id=pair.id,
                document=pair.document,
                origin=pair.origin,
                question_type=pair.question_type,
                metrics=question_metrics(ranked, relevant_positions(pair, chunks)),
                latency_ms=round(elapsed_ms, 2),
            )
        )
    return tuple(results)
