"""What checkpoints and merges are chosen by: the validation questions, asked among validation and training passages."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

from rag.pairs.pair import QueryPair

DISTRACTORS = 400
"""Training passages that stand beside the validation passages."""
METRIC = "eval_validation_cosine_mrr@10"
"""What the trainer calls the score that decides."""


def validation_evaluator(
    train: Sequence[QueryPair], validation: Sequence[QueryPair], seed: int
) -> InformationRetrievalEvaluator:
    """Score models by retrieval of the validation passages among others, the query prompt before each question."""
    questions = validation or train[:100]
    others = random.Random(seed).sample(train, min(DISTRACTORS, len(train)))
    passages = {p.positive for p in questions} | {p.positive for p in others}
    ids = {passage: str(i) for i, passage in enumerate(sorted(passages))}
    return InformationRetrievalEvaluator(
        queries={p.id: p.anchor for p in questions},
        corpus={i: passage for passage, i in ids.items()},
        relevant_docs={p.id: {ids[p.positive]} for p in questions},
        name="validation",
        mrr_at_k=[10],
        ndcg_at_k=[10],
        accuracy_at_k=[1, 5],
        precision_recall_at_k=[5],
        map_at_k=[10],
        show_progress_bar=False,
        write_csv=False,
    )


def scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return hit@1, hit@5, MRR@10 and nDCG@10 of what the evaluator found, or of the trainer's log of it."""
    names = {"hit@1": "accuracy@1", "hit@5": "accuracy@5", "mrr@10": "mrr@10", "ndcg@10": "ndcg@10"}
    plain = {name.removeprefix("eval_validation_cosine_").removeprefix("validation_cosine_"): name for name in metrics}
    return {ours: round(float(metrics[plain[theirs]]), 4) for ours, theirs in names.items()}
