"""A question with what was retrieved and answered, beside what should have been: what answers are judged on."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from rag.corpus.document import Chunk
from rag.evaluation.metrics import ChunksByDocument
from rag.pairs.pair import QueryPair


class EvaluationSample(BaseModel):
    """One question. Metrics that need what is not known of it have no value."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    answer: str | None = None
    contexts: tuple[str, ...] | None = None
    """The retrieved passages, best first; empty if nothing was found, None if nothing was searched."""
    reference: str = ""
    """The answer that is right; empty if nobody knows."""
    reference_contexts: tuple[str, ...] = ()
    """The passages that hold it, whole: they are compared with the retrieved ones by their characters."""


def reference_samples(pairs: Sequence[QueryPair], chunks: Sequence[Chunk]) -> list[EvaluationSample]:
    """Return a sample for each pair, not yet answered; its reference contexts are the chunks with the evidence."""
    searched = ChunksByDocument(chunks)
    return [
        EvaluationSample(
            id=pair.id,
            question=pair.anchor,
            reference=pair.answer,
            reference_contexts=tuple(chunks[i].text for i in searched.relevant_positions(pair)),
        )
        for pair in pairs
    ]


def mean_scores(rows: Iterable[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the mean of each metric over the questions that have a value, rounded to 4 places."""
    values: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: round(float(np.mean(own)), 4) for name, own in values.items()}


def missing_scores(rows: Iterable[Mapping[str, float | None]]) -> dict[str, int]:
    """Return for each metric how many questions have no value."""
    missing: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            missing[name] = missing.get(name, 0) + (value is None)
    return missing
