"""How long a training has taken so far, and the models that it had on its way."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SHARES = (0.125, 0.25, 0.5, 0.75)
"""Shares of a training's steps behind which a snapshot is kept for the curves; the trained model ends them."""


class Snapshot(NamedTuple):
    """A model on its way, after so many seconds in training steps."""

    seconds: float
    folder: Path


class Clock:
    """Counts the seconds of a process's training steps, evaluations and checkpoints left out, and keeps snapshots.

    A training that was killed counts from where it went on.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        self.folder, self.now, self.seconds, self.steps = folder, now, 0.0, 0
        self.snapshots: list[Snapshot] = []
        self._since = 0.0

    def watch(self) -> None:
        """Hear of each step of every training of this process."""
        import transformers.trainer

        transformers.trainer.DEFAULT_CALLBACKS.append(self._callback())

    def _callback(self) -> Any:
        from transformers import TrainerCallback

        clock = self

        class Steps(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                clock.go_on()

            def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
                clock.stop()
                clock.steps += 1
                due = {math.ceil(share * state.max_steps) for share in SHARES} - {state.max_steps}
                if state.global_step in due:
                    clock.keep(model)
                clock.go_on()

            def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                clock.go_on()

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                clock.go_on()

        return Steps()

    def go_on(self) -> None:
        """Count from now; what passed since the last stop is left out."""
        _await_card()
        self._since = self.now()

    def stop(self) -> None:
        """Count up to now."""
        _await_card()
        self.seconds += self.now() - self._since

    def keep(self, model: Any) -> None:
        """Keep a snapshot."""
        folder = self.folder / f"{len(self.snapshots):02d}"
        model.save_pretrained(str(folder), create_model_card=False)
        self.snapshots.append(Snapshot(self.seconds, folder))


def _await_card() -> None:
    """Let the card finish what it was given, so that its time is counted where it belongs."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
