"""Fine-tune the embedder on query pairs."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.training_args import BatchSamplers
from transformers import TrainerCallback

from rag.config import EmbeddingConfig
from rag.embedding.adapters import add_lora, fold_lora
from rag.embedding.columns import Teacher, margins, training_columns
from rag.embedding.encoder import load_sentence_transformer
from rag.embedding.merging import merge_with_base
from rag.embedding.objective import is_cached, training_loss
from rag.embedding.validation import METRIC, scores, validation_evaluator
from rag.errors import EmptyCorpus
from rag.pairs.pair import Origin, QueryPair
from rag.training.batch_size import FittingSizes, halving
from rag.training.patience import Patience
from rag.training.progress import OnProgress
from rag.training.reporting import keep_others_quiet
from rag.training.trainer import (
    Trained,
    checkpointed_batch,
    mean_loss,
    shared_arguments,
    step_of,
    trained,
    training_shape,
)


def finetune(
    base: Path,
    query_prompt: str,
    train: Sequence[QueryPair],
    validation: Sequence[QueryPair],
    output: Path,
    checkpoints: Path,
    config: EmbeddingConfig,
    on_progress: OnProgress | None = None,
    fitting: Path | None = None,
    teacher: Teacher | None = None,
) -> dict[str, Any]:
    """Train `base` on the pairs, mix it with `base`, and save it as a plain sentence-transformers folder.

    A run that was killed goes on from its last checkpoint, and SIGTERM writes one first; the result is the same as that
    of a run that nobody stopped. A batch that does not fit in memory is halved; `fitting` is the file of this machine
    that remembers it. With a `teacher`, its margins are learned too. Returns the facts of the training.

    :raises EmptyCorpus: if there are fewer than two pairs to learn from.
    :raises OutOfMemory: if not even two pairs at a time fit in memory.
    """
    keep_others_quiet()

    # 1. data
    if len(train) < 2:
        raise EmptyCorpus(f"{len(train)} training pairs: import questions, or ingest more documents")
    columns = training_columns(train, config)
    taught = {"label": margins(columns, teacher).tolist()} if teacher and len(columns) > 2 else {}
    data = Dataset.from_dict(columns | taught)

    # 2. evaluator; synthetic questions repeat their passage's words and soon all find it, so they choose no checkpoint
    evaluator = validation_evaluator(train, validation, config.seed)
    chooses = bool(validation) and all(pair.origin is not Origin.SYNTHETIC for pair in validation)

    # 3. model, loss, arguments and training: the best checkpoint, at the largest batch that fits
    sizes, shape = FittingSizes(fitting), _shape(base, columns, config)
    wanted = min(config.batch_size, config.mini_batch_size) if is_cached(config) else config.batch_size
    # Under a cached loss the batch in memory is no part of the result, so a resumed run need not keep to it.
    resumed = None if is_cached(config) else checkpointed_batch(checkpoints)
    result, at_a_time = halving(
        resumed or sizes.recall(shape, wanted),
        smallest=1 if is_cached(config) else 2,
        attempt=partial(_train, base, query_prompt, data, evaluator, chooses, checkpoints, config, on_progress),
        on_halved=partial(sizes.remember, shape),
    )
    model, state = result.model, result.state

    # 4. mix with the base
    if config.lora_rank:
        fold_lora(model)
    untuned = load_sentence_transformer(base, query_prompt)
    best_step = step_of(Path(state.best_model_checkpoint)) if chooses else state.global_step
    at_best = [row for row in state.log_history if row["step"] == best_step and METRIC in row]
    reached = {1.0: scores(at_best[0] if at_best else evaluator(model))}

    def score(share: float) -> float:
        if share not in reached:
            reached[share] = scores(evaluator(model))
        return reached[share]["mrr@10"]

    given = chooses or len(config.merge_weights) == 1
    share = merge_with_base(model, untuned.state_dict(), config.merge_weights if given else (1.0,), score)

    # 5. save
    model.max_seq_length = untuned.max_seq_length
    model.save_pretrained(str(output))
    return {
        "pairs": len(train),
        "negatives": len(columns) - 2,
        "distilled": bool(taught),
        "steps": state.global_step,
        "best_step": best_step,
        "stopped_early": state.global_step < state.max_steps,
        "resumed_from_step": result.resumed_from,
        "batch": {"pairs": config.batch_size, "at_a_time": at_a_time},
        "train_loss": round(mean_loss(state.log_history), 4),
        "tuned_share": share,
        "by_tuned_share": {str(tried): reached[tried] for tried in sorted(reached)},
        "validation": [
            {"step": row["step"], **{k: v for k, v in row.items() if "mrr@10" in k}}
            for row in state.log_history
            if any("mrr@10" in key for key in row)
        ],
    }


def _train(
    base: Path,
    query_prompt: str,
    data: Dataset,
    evaluator: Any,
    chooses: bool,
    checkpoints: Path,
    config: EmbeddingConfig,
    on_progress: OnProgress | None,
    at_a_time: int,
) -> Trained:
    """Train from the last checkpoint, or from the base, with so many pairs at a time.

    What the evaluator finds best is returned if it `chooses`, else the last step.
    """
    # model
    model: Any = load_sentence_transformer(base, query_prompt)
    model.max_seq_length = config.max_seq_length
    if config.lora_rank:
        add_lora(model, config.lora_rank, config.seed)
    model.model_card_data.widget = [{}]
    # Checkpoints without a model card: it would quote training pairs in the clear.
    model.save_pretrained = partial(model.save_pretrained, create_model_card=False)

    # loss
    loss = training_loss(model, base, data["positive"], config, at_a_time, query_prompt)

    # arguments
    arguments = _arguments(config, len(data), checkpoints, at_a_time, query_prompt, model.device)
    arguments.load_best_model_at_end = chooses

    # train
    def make_trainer(callbacks: list[TrainerCallback]) -> SentenceTransformerTrainer:
        patience = [Patience(config.patience)] if config.patience else []
        return SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=data,
            loss=loss,
            evaluator=evaluator,
            callbacks=[*callbacks, *patience],
        )

    return trained(make_trainer, checkpoints, on_progress)


def _shape(base: Path, columns: dict[str, list[str]], config: EmbeddingConfig) -> str:
    kind = [config.loss, f"{config.max_seq_length} tokens", f"{len(columns)} texts", f"rank {config.lora_rank}"]
    return training_shape(base, *kind, *(["gradient checkpointing"] if config.gradient_checkpointing else []))


def _arguments(
    config: EmbeddingConfig, n_pairs: int, checkpoints: Path, at_a_time: int, query_prompt: str, device: torch.device
) -> SentenceTransformerTrainingArguments:
    # Unless the loss is cached, what fits at a time is a batch, and a step goes over as many as make up the one wanted.
    batch_size = config.batch_size if is_cached(config) else at_a_time
    batches = config.batch_size // batch_size
    steps_per_epoch = math.ceil(n_pairs / (batch_size * batches))
    epochs = max(config.epochs, math.ceil(config.min_steps / steps_per_epoch))
    return SentenceTransformerTrainingArguments(
        **shared_arguments(config, checkpoints, steps_per_epoch * epochs, METRIC, device),
        num_train_epochs=epochs,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=batches,
        activation_checkpointing=config.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},
        prompts={"anchor": query_prompt} if query_prompt else None,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
    )
