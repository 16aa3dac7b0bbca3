"""What checkpoints and merges are chosen by: the validation questions, asked among validation and training passages."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from transformers import TrainerCallback

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


class Patience(TrainerCallback):  # type: ignore[misc]
    """Ends a training after so many evaluations in a row without a new best.

    It counts in the trainer's log, which checkpoints hold, so that a resumed run ends where an undisturbed one does.
    """

    def __init__(self, evaluations: int) -> None:
        self._evaluations = evaluations

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End if that was one too many."""
        control.should_training_stop |= self._is_out(args, state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """End a run that was resumed where it should have ended; its step behind that leaves no trace."""
        if self._is_out(args, state):
            control.should_training_stop = True
            control.should_evaluate = control.should_save = False

    def _is_out(self, args: Any, state: Any) -> bool:
        name = args.metric_for_best_model
        reached = [row[name] for row in state.log_history if name in row]
        return bool(reached) and len(reached) - 1 - reached.index(max(reached)) >= self._evaluations
