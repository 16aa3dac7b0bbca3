"""A small set of general questions, to see whether an embedder has forgotten what it knew."""

import json
from importlib.resources import files

import numpy as np

from rag.embedding.encoder import Encoder


def general_hit1(encoder: Encoder) -> float:
    """Return the share of general questions whose own passage comes first, by vectors alone."""
    lines = (files("rag.evaluation") / "general.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    passages = encoder.encode_passages([row["passage"] for row in rows])
    questions = encoder.encode_queries([row["question"] for row in rows])
    best = (questions @ passages.T).argmax(axis=1)
    return round(float((best == np.arange(len(rows))).mean()), 4)
