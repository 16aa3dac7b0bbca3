"""A small set of general questions, to see whether an embedder has forgotten what it knew."""

import numpy as np

from rag.embedding.encoder import Encoder
from rag.evaluation.general_set import general_questions


def general_hit1(encoder: Encoder) -> float:
    """Return the share of general questions whose own passage comes first, by vectors alone."""
    questions, passages = zip(*general_questions(), strict=True)
    best = (encoder.encode_queries(questions) @ encoder.encode_passages(passages).T).argmax(axis=1)
    return round(float((best == np.arange(len(passages))).mean()), 4)
