"""What a search for better training settings tries. Imports no torch."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from rag.config.stage import Stage


class TuningConfig(Stage):
    """Bounds of what is tried, and for how long. What is in force is always tried first."""

    trials: int = Field(20, ge=1)
    budget_minutes: float = Field(240, gt=0)
    """No trial begins after so long."""
    learning_rate: tuple[float, float] = (2e-5, 4e-4)
    """Of the embedder, tried on a logarithmic scale."""
    epochs: tuple[int, int] = (1, 6)
    negatives: tuple[Annotated[int, Field(ge=0, le=16)], Annotated[int, Field(ge=0, le=16)]] = (0, 4)
    """Learned from with each pair, and mined for it."""
    synthetic_per_real: tuple[float, float] = (0.0, 3.0)
    """Synthetic training pairs for each real one, at most."""
    seed: int = 13

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> Self:
        for name in ("learning_rate", "epochs", "negatives", "synthetic_per_real"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} begins above where it ends: write the lower bound first")
        if self.learning_rate[0] <= 0 or self.epochs[0] < 1 or self.synthetic_per_real[0] < 0:
            raise ValueError("no training has a learning_rate of 0, less than 1 epoch, or less than no synthetic pairs")
        return self
