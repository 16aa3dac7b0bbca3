"""When a training has shown that it gets no better."""

from typing import Any

from transformers import TrainerCallback


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
        best = max if args.greater_is_better else min
        return bool(reached) and len(reached) - 1 - reached.index(best(reached)) >= self._evaluations
