"""Fine-tune the embedder on query pairs."""

import json
import logging
import math
import random
import shutil
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.training_args import BatchSamplers
from transformers import PrinterCallback

from rag.config import EmbeddingConfig
from rag.embedding.encoder import load_sentence_transformer, native_bf16_cpu
from rag.embedding.interruption import train_interruptibly
from rag.embedding.progress import OnProgress
from rag.embedding.reporting import ProgressReporter, keep_others_quiet
from rag.errors import EmptyCorpus
from rag.pairs.pair import QueryPair

logger = logging.getLogger(__name__)

DISTRACTORS = 400
"""Training passages that stand beside the validation passages when a checkpoint is scored."""


def finetune(
    base: Path,
    query_prompt: str,
    train: Sequence[QueryPair],
    validation: Sequence[QueryPair],
    output: Path,
    checkpoints: Path,
    config: EmbeddingConfig,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Train `base` on the pairs and save the best checkpoint as a plain sentence-transformers folder.

    The loss is multiple negatives ranking (Henderson et al. 2017): each question against every passage of its batch.
    A run that was killed goes on from its last checkpoint, and SIGTERM writes one first; the result is the same as that
    of a run that nobody stopped. Returns the facts of the training.

    :raises EmptyCorpus: if there are fewer than two pairs to learn from.
    """
    keep_others_quiet()

    # 1. data
    if len(train) < 2:
        raise EmptyCorpus(f"{len(train)} training pairs: import questions, or ingest more documents")
    positives = [p.positive for p in train]
    if config.shuffle_labels:
        random.Random(config.seed).shuffle(positives)
    data = Dataset.from_dict({"anchor": [p.anchor for p in train], "positive": positives})

    # 2. model
    model: Any = load_sentence_transformer(base, query_prompt)
    model.max_seq_length = config.max_seq_length
    model.model_card_data.widget = [{}]
    # Checkpoints without a model card: it would quote training pairs in the clear.
    model.save_pretrained = partial(model.save_pretrained, create_model_card=False)

    # 3. loss
    loss = MultipleNegativesRankingLoss(model)

    # 4. arguments
    arguments = _arguments(config, len(train), checkpoints, on_card=model.device.type == "cuda")

    # 5. evaluator
    evaluator = _evaluator(train, validation, config)

    # 6. train
    resume = last_checkpoint(checkpoints)
    if resume is not None:
        logger.info("resuming from step %d", _step(resume))
    with closing(ProgressReporter(on_progress)) as reporter:
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=data, loss=loss, evaluator=evaluator, callbacks=[reporter]
        )
        trainer.remove_callback(PrinterCallback)
        result = train_interruptibly(trainer, resume)

    # 7. save
    model.max_seq_length = load_sentence_transformer(base, query_prompt).max_seq_length
    model.save_pretrained(str(output))
    return {
        "pairs": len(train),
        "steps": result.global_step,
        "resumed_from_step": _step(resume) if resume else 0,
        "train_loss": round(_mean_loss(trainer.state.log_history), 4),
        "validation": [
            {"step": row["step"], **{k: v for k, v in row.items() if "mrr@10" in k}}
            for row in trainer.state.log_history
            if any("mrr@10" in key for key in row)
        ],
    }


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint, and remove newer ones whose writer was killed.

    The trainer writes `trainer_state.json` last.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        try:
            json.loads((checkpoint / "trainer_state.json").read_bytes())
            return checkpoint
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return None


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


def _mean_loss(log_history: Sequence[dict[str, Any]]) -> float:
    """Return the mean loss of all steps; the trainer's own leaves out those before it resumed."""
    total, begin = 0.0, 0
    for row in log_history:
        if "loss" in row:
            total += row["loss"] * (row["step"] - begin)
            begin = row["step"]
    return total / max(begin, 1)


def _arguments(
    config: EmbeddingConfig, n_pairs: int, checkpoints: Path, on_card: bool
) -> SentenceTransformerTrainingArguments:
    steps_per_epoch = math.ceil(n_pairs / config.batch_size)
    epochs = max(config.epochs, math.ceil(config.min_steps / steps_per_epoch))
    total = config.max_steps if config.max_steps > 0 else steps_per_epoch * epochs
    every = max(1, total // config.checkpoints)
    return SentenceTransformerTrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=epochs,
        max_steps=config.max_steps,
        per_device_train_batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        warmup_steps=math.ceil(config.warmup_ratio * total),
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        bf16=not on_card and native_bf16_cpu(),
        fp16=on_card,
        use_cpu=not on_card,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_validation_cosine_mrr@10",
        greater_is_better=True,
        logging_steps=max(1, every // 2),
        report_to=["tensorboard"],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        seed=config.seed,
    )


def _evaluator(
    train: Sequence[QueryPair], validation: Sequence[QueryPair], config: EmbeddingConfig
) -> InformationRetrievalEvaluator:
    """Score checkpoints by retrieval of the validation passages among others."""
    questions = validation or train[:100]
    others = random.Random(config.seed).sample(train, min(DISTRACTORS, len(train)))
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
