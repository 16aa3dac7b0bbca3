"""Fine-tune a cross-encoder on query pairs with mined negatives."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss, LambdaLoss
from transformers import TrainerCallback

from rag.config import RerankingConfig
from rag.errors import EmptyCorpus
from rag.pairs.pair import QueryPair
from rag.reranking.cross_encoder import load_cross_encoder
from rag.retrieval.lexical import Bm25s
from rag.training.batch_size import FittingSizes, halving
from rag.training.progress import OnProgress
from rag.training.reporting import keep_others_quiet
from rag.training.trainer import Trained, checkpointed_batch, shared_arguments, trained, training_shape

RERANKED = 20
"""Passages that a validation question's own stands among: the best by words."""
_METRIC = "eval_validation_mrr@10"


def finetune(
    base: Path,
    train: Sequence[QueryPair],
    validation: Sequence[QueryPair],
    output: Path,
    checkpoints: Path,
    config: RerankingConfig,
    on_progress: OnProgress | None = None,
    fitting: Path | None = None,
) -> dict[str, Any]:
    """Train `base` to tell positives from mined negatives, and save the best checkpoint as a plain folder.

    Where none re-ranks the validation questions better than `base` itself, that is saved. A run that was killed goes on
    from its last checkpoint, and SIGTERM writes one first. A batch that does not fit in memory is halved; `fitting` is
    the file of this machine that remembers it. Returns the facts of the training.

    :raises EmptyCorpus: if fewer than two pairs have negatives.
    :raises OutOfMemory: if not even one row at a time fits in memory.
    """
    keep_others_quiet()

    # 1. data
    usable = [pair for pair in train if pair.negatives]
    if len(usable) < 2:
        raise EmptyCorpus(
            f"{len(usable)} training pairs have negatives: set negatives.per_pair above 0, or import questions"
        )

    # 2. evaluator
    evaluator = _evaluator(usable, validation)
    untuned = load_cross_encoder(base, config.max_seq_length)
    before = float(evaluator(untuned)[_METRIC.removeprefix("eval_")])

    # 3. model, loss, arguments and training: the best checkpoint, at the largest batch that fits
    shape = training_shape(base, f"cross-encoder, {config.loss}", f"{config.max_seq_length} tokens")
    sizes = FittingSizes(fitting)
    result, at_a_time = halving(
        checkpointed_batch(checkpoints) or sizes.recall(shape, config.batch_size),
        smallest=1,
        attempt=partial(_train, base, usable, evaluator, checkpoints, config, on_progress),
        on_halved=partial(sizes.remember, shape),
    )

    # 4. save
    history = result.state.log_history
    better = max(row[_METRIC] for row in history if _METRIC in row) > before
    (result.model if better else untuned).save_pretrained(str(output), create_model_card=False)
    return {
        "pairs": len(usable),
        "negatives": sum(len(pair.negatives) for pair in usable),
        "validation_questions": len(evaluator.samples),
        "steps": result.state.global_step,
        "resumed_from_step": result.resumed_from,
        "batch": {"rows": config.batch_size, "at_a_time": at_a_time},
        "kept": "tuned" if better else "untuned",
        "untuned_mrr@10": before,
        "losses": [{"step": row["step"], "loss": row["loss"]} for row in history if "loss" in row],
        "validation": [
            {"step": row["step"], **{name: float(row[name]) for name in row if name.endswith("mrr@10")}}
            for row in history
            if _METRIC in row
        ],
    }


def _train(
    base: Path,
    pairs: Sequence[QueryPair],
    evaluator: CrossEncoderRerankingEvaluator,
    checkpoints: Path,
    config: RerankingConfig,
    on_progress: OnProgress | None,
    at_a_time: int,
) -> Trained:
    """Train from the last checkpoint, or from the base, with so many rows at a time."""
    # data
    data = _dataset(pairs, config.loss)

    # model
    model = load_cross_encoder(base, config.max_seq_length)
    # Checkpoints without a model card: it would quote training pairs in the clear.
    model.save_pretrained = partial(model.save_pretrained, create_model_card=False)

    # loss
    loss = _loss(model, pairs, config)

    # arguments
    arguments = _arguments(config, len(data), checkpoints, at_a_time, model.device)

    # train
    def make_trainer(callbacks: list[TrainerCallback]) -> CrossEncoderTrainer:
        return CrossEncoderTrainer(
            model=model, args=arguments, train_dataset=data, loss=loss, evaluator=evaluator, callbacks=callbacks
        )

    return trained(make_trainer, checkpoints, on_progress)


def _dataset(pairs: Sequence[QueryPair], loss: str) -> Dataset:
    """Return rows of a question and a passage with a label, or of a question and its passages with theirs."""
    if loss == "lambda":
        return Dataset.from_list(
            [
                {"query": p.anchor, "passages": [p.positive, *p.negatives], "labels": [1.0] + [0.0] * len(p.negatives)}
                for p in pairs
            ]
        )
    return Dataset.from_list(
        [
            {"query": p.anchor, "passage": text, "label": float(text == p.positive)}
            for p in pairs
            for text in (p.positive, *p.negatives)
        ]
    )


def _loss(model: Any, pairs: Sequence[QueryPair], config: RerankingConfig) -> Any:
    """Return LambdaLoss (Wang et al. 2018), or cross-entropy in which positives weigh as much as negatives."""
    if config.loss == "lambda":
        return LambdaLoss(model, mini_batch_size=config.batch_size)
    per_positive = sum(len(pair.negatives) for pair in pairs) / len(pairs)
    return BinaryCrossEntropyLoss(model, pos_weight=torch.tensor(per_positive))


def _arguments(
    config: RerankingConfig, n_rows: int, checkpoints: Path, at_a_time: int, device: torch.device
) -> CrossEncoderTrainingArguments:
    batches = config.batch_size // at_a_time
    steps = math.ceil(n_rows / (at_a_time * batches)) * config.epochs
    return CrossEncoderTrainingArguments(
        **shared_arguments(config, checkpoints, steps, _METRIC, device),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=at_a_time,
        gradient_accumulation_steps=batches,
    )


def _evaluator(train: Sequence[QueryPair], validation: Sequence[QueryPair]) -> CrossEncoderRerankingEvaluator:
    """Score checkpoints by how they re-rank each validation question's best passages by words."""
    questions = validation or train[:100]
    passages = sorted({text for p in (*questions, *train) for text in (p.positive, *p.negatives)})
    words = Bm25s.build(passages)
    samples = []
    for pair in questions:
        scores = words.scores(pair.anchor)
        best = [passages[i] for i in np.argsort(-scores, kind="stable")[:RERANKED] if scores[i] > 0]
        samples.append({"query": pair.anchor, "positive": [pair.positive], "documents": best or [pair.positive]})
    return CrossEncoderRerankingEvaluator(samples, name="validation", write_csv=False)
