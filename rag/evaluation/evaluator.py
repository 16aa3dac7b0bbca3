"""Run a release over the evaluation set, through the whole retrieval pipeline."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from rag.errors import EmptyCorpus
from rag.evaluation.metrics import DEPTH, ChunksByDocument, question_metrics
from rag.evaluation.report import SHOWN, QuestionResult
from rag.pairs.pair import QueryPair
from rag.retrieval.query import Query
from rag.retrieval.retriever import Retriever


def evaluate_retrieval(
    retriever: Retriever, questions: Sequence[QueryPair], relevance: Mapping[str, Mapping[str, int]] | None = None
) -> tuple[tuple[QuestionResult, ...], int]:
    """Return each question's metrics and time, and how many questions were left out.

    Those are of documents that the index lacks, or holds in another version.

    :param relevance: by question and id of a relevant chunk, how relevant, from 1 up; those that hold its evidence, all
        alike, unless given.
    :raises EmptyCorpus: if there is no question.
    """
    chunks = retriever.index.chunks
    indexed = {chunk.doc_id for chunk in chunks}
    asked = [pair for pair in questions if indexed.issuperset(pair.doc_ids)]
    if not questions:
        raise EmptyCorpus("no evaluation question for this release: import some with `ragloop pairs import FILE.jsonl`")
    position = {chunk.chunk_id: i for i, chunk in enumerate(chunks)}
    searched = ChunksByDocument(chunks)
    warm_up(retriever, asked)
    results = []
    for pair in tqdm(asked, desc="evaluating", delay=2, disable=None):
        start = time.perf_counter()
        hits = retriever.search(Query(id=pair.id, question=pair.anchor), DEPTH)
        elapsed_ms = (time.perf_counter() - start) * 1000
        ranked = np.array([position[hit.chunk.chunk_id] for hit in hits], dtype=np.int64)
        if relevance is None:
            relevant, grades = searched.relevant_positions(pair), None
        else:
            relevant = np.array([position[chunk_id] for chunk_id in relevance[pair.id]], dtype=np.int64)
            grades = np.array([*relevance[pair.id].values()], dtype=np.int64)
        results.append(
            QuestionResult(
                id=pair.id,
                document=pair.document,
                origin=pair.origin,
                question_type=pair.question_type,
                metrics=question_metrics(ranked, relevant, grades),
                latency_ms=round(elapsed_ms, 2),
                found=tuple(hit.chunk.chunk_id for hit in hits[:SHOWN]),
                relevant=tuple(chunks[i].chunk_id for i in relevant),
            )
        )
    return tuple(results), len(questions) - len(asked)


def warm_up(retriever: Retriever, questions: Sequence[QueryPair]) -> None:
    """Search once, so that what the first search of a process or of a retriever takes is not measured."""
    for pair in questions[:1]:
        retriever.search(Query(id="warm-up", question=pair.anchor), DEPTH)
