"""What a training says while it runs: a bar for people, a line for each evaluation, and facts for whoever asks."""

import logging
import threading
import time
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

import datasets
from tqdm import tqdm
from transformers import TrainerCallback
from transformers.utils import logging as transformers_logging

from rag.training.progress import OnProgress, TrainingProgress

logger = logging.getLogger(__name__)

TIMED_STEPS = 3
"""Steps after which the rest is estimated; the first, which warms up, does not count."""
_SCORES = {"mrr@10": "MRR@10", "eval_loss": "loss"}
"""What an evaluation is summed up by, and how people are told; a training has one of them."""
LAST_WORD_S = 3.0
"""How long the end of a training waits for its last report."""


def keep_others_quiet() -> None:
    """Turn off the bars and hints of the libraries beneath, which would drown the lines below."""
    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()


class ProgressReporter(TrainerCallback):  # type: ignore[misc]
    """Moves a bar with each step, logs each evaluation, says how long it will take, and tells `on_progress`."""

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self._messenger = Messenger(on_progress) if on_progress else None
        self._bar: tqdm[Any] | None = None
        self._timed_from: tuple[int, float] | None = None
        self._estimated = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the bar where the run starts, which is not 0 when it resumes."""
        total, first = state.max_steps, state.global_step
        self._bar = tqdm(total=total, initial=first, desc="training", unit="step", delay=2, disable=None)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar; after the first steps say how long the others will take."""
        if self._bar is not None:
            self._bar.update()
        if self._timed_from is None:
            self._timed_from = (state.global_step, time.monotonic())
        elif not self._estimated and self._timed_from[0] + TIMED_STEPS <= state.global_step < state.max_steps:
            left, time_left = state.max_steps - state.global_step, self._time_left(state)
            logger.info("fine-tuning: %d steps to go, %s without the evaluations", left, time_left)
            self._estimated = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        """Tell the training loss."""
        if "loss" in logs:
            self._tell(state, loss=float(logs["loss"]))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        """Say how the validation questions do."""
        found = next(
            ((what, float(v)) for k, v in metrics.items() for end, what in _SCORES.items() if k.endswith(end)), None
        )
        if found is None:
            return
        what, score = found
        left = f", {self._time_left(state)} to go" if self._timed_from and state.global_step < state.max_steps else ""
        logger.info("step %d of %d: validation %s %.3f%s", state.global_step, state.max_steps, what, score, left)
        self._estimated = bool(left)
        self._tell(state, validation=score, metric=what)

    def close(self) -> None:
        """Take the bar down, and let the last word through."""
        if self._bar is not None:
            self._bar.close()
        if self._messenger is not None:
            self._messenger.close()

    def _time_left(self, state: Any) -> str:
        """Return how long the steps to come take, at the pace since the first one."""
        step, begun = self._timed_from or (0, 0.0)
        pace_s = (time.monotonic() - begun) / max(1, state.global_step - step)
        left_s = pace_s * (state.max_steps - state.global_step)
        return f"about {left_s / 60:.0f} min" if left_s >= 90 else f"about {left_s:.0f} s"

    def _tell(self, state: Any, loss: float | None = None, validation: float | None = None, metric: str = "") -> None:
        if self._messenger is not None:
            epoch = float(state.epoch or 0)
            self._messenger.tell(TrainingProgress(state.global_step, state.max_steps, epoch, loss, validation, metric))


class Messenger:
    """Hands progress to a callback in a thread of its own: one that hangs or fails holds up no training."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._waiting: SimpleQueue[TrainingProgress | None] = SimpleQueue()
        self._thread = threading.Thread(target=copy_context().run, args=(self._deliver,), name="progress", daemon=True)
        self._thread.start()

    def tell(self, now: TrainingProgress) -> None:
        """Hand over in the order told; returns at once."""
        self._waiting.put(now)

    def close(self) -> None:
        """End behind what was told so far, but do not wait long for it."""
        self._waiting.put(None)
        self._thread.join(LAST_WORD_S)

    def _deliver(self) -> None:
        while (now := self._waiting.get()) is not None:
            try:
                self._on_progress(now)
            except Exception:
                logger.exception("could not report the progress of step %d; the training goes on", now.step)
