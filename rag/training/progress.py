"""How far a training is; apart from what reports it, so that the type costs no import of torch."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingProgress:
    """A training at one step."""

    step: int
    total_steps: int
    epoch: float
    """Passes over the training pairs so far; a fraction within one."""
    loss: float | None
    """Mean training loss since the last report of one; None if this one has none."""
    validation: float | None
    """What the validation questions score; None unless they were just asked."""
    metric: str = ""
    """What that is: `MRR@10`, or a chat model's `loss`."""

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return self.step / self.total_steps if self.total_steps else 1.0


OnProgress = Callable[[TrainingProgress], None]
