"""What a training says while it runs: a bar for people, a line for each evaluation."""

import logging
from typing import Any

import datasets
from tqdm import tqdm
from transformers import TrainerCallback
from transformers.utils import logging as transformers_logging

logger = logging.getLogger(__name__)


def keep_others_quiet() -> None:
    """Turn off the bars and hints of the libraries beneath, which would drown the lines below."""
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


class TrainingProgress(TrainerCallback):  # type: ignore[misc]
    """Moves a bar with each step and logs each evaluation of the validation questions."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the bar where the run starts, which is not 0 when it resumes."""
        total, first = state.max_steps, state.global_step
        self._bar = tqdm(total=total, initial=first, desc="training", unit="step", delay=2, disable=None)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Say how the validation questions do."""
        score = next((float(value) for name, value in metrics.items() if name.endswith("mrr@10")), None)
        if score is not None:
            logger.info("step %d of %d: validation MRR@10 %.3f", state.global_step, state.max_steps, score)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the bar down."""
        if self._bar is not None:
            self._bar.close()
