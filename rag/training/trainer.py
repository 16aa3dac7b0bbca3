"""What the trainings of all models share: how they run, resume, and fit the machine."""

import json
import logging
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import PrinterCallback, TrainerCallback

from rag.config import ChatTrainingConfig, EmbeddingConfig, RerankingConfig
from rag.embedding.encoder import native_bf16_cpu
from rag.training.batch_size import machine_name
from rag.training.interruption import train_interruptibly
from rag.training.progress import OnProgress
from rag.training.reporting import ProgressReporter

logger = logging.getLogger(__name__)


class Trained(NamedTuple):
    """A model at its best checkpoint, and how it came to it."""

    model: Any
    state: Any
    """The trainer's, with its log."""
    resumed_from: int


def shared_arguments(
    config: EmbeddingConfig | RerankingConfig | ChatTrainingConfig,
    checkpoints: Path,
    steps: int,
    metric: str,
    device: torch.device,
) -> dict[str, Any]:
    """Return the arguments of a training of `steps`, or of the config's `max_steps`, by the names trainers know.

    Numbers are fp16 or bf16 as the device computes best; checkpoints are evaluated by `metric` and the best is kept,
    which is the lowest of a loss.
    """
    total = config.max_steps if config.max_steps > 0 else steps
    every = max(1, total // config.checkpoints)
    on_card = device.type == "cuda"
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if on_card else native_bf16_cpu()
    return {
        "output_dir": str(checkpoints),
        "max_steps": config.max_steps,
        "learning_rate": config.learning_rate,
        "warmup_steps": math.ceil(config.warmup_ratio * total),
        "bf16": bf16,
        "fp16": on_card and not bf16,
        "use_cpu": not on_card,
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": metric,
        "greater_is_better": not metric.endswith("loss"),
        "logging_steps": max(1, every // 2),
        "report_to": ["tensorboard"],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        "seed": config.seed,
    }


def trained(
    make_trainer: Callable[[list[TrainerCallback]], Any], checkpoints: Path, on_progress: OnProgress | None
) -> Trained:
    """Train from the last checkpoint, or from the start; `make_trainer` gets the callbacks that report."""
    resume = last_checkpoint(checkpoints)
    if resume is not None:
        logger.info("resuming from step %d", step_of(resume))
    with closing(ProgressReporter(on_progress)) as reporter:
        trainer = make_trainer([reporter])
        trainer.remove_callback(PrinterCallback)
        train_interruptibly(trainer, resume)
    return Trained(trainer.model, trainer.state, step_of(resume) if resume else 0)


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint, and remove newer ones whose writer was killed.

    The trainer writes `trainer_state.json` last.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        try:
            json.loads((checkpoint / "trainer_state.json").read_bytes())
            return checkpoint
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
    return None


def checkpointed_batch(folder: Path) -> int | None:
    """Return the batch that the last checkpoint was written at."""
    resume = last_checkpoint(folder)
    if resume is None:
        return None
    return int(json.loads((resume / "trainer_state.json").read_bytes())["train_batch_size"])


def step_of(checkpoint: Path) -> int:
    """Return the step that a checkpoint was written at."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def mean_loss(log_history: Sequence[dict[str, Any]]) -> float:
    """Return the mean loss of all steps; the trainer's own leaves out those before it resumed."""
    total, begin = 0.0, 0
    for row in log_history:
        if "loss" in row:
            total += row["loss"] * (row["step"] - begin)
            begin = row["step"]
    return total / max(begin, 1)


def training_shape(base: Path, *kind: str) -> str:
    """Return what decides how much fits in memory, in words: this machine, the size of the model, and `kind`."""
    model = json.loads((base / "config.json").read_bytes())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = f"{model['num_hidden_layers']} layers of {model['hidden_size']}"
    return "; ".join([machine_name(device), size, *kind])
