"""When an online experiment ends. Imports no torch."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from rag.config.stage import Stage


class Outcome(StrEnum):
    """What an answer is worth, 0 to 1; more is better."""

    SATISFACTION = "satisfaction"
    """What its user said of it: thumbs are 0 and 1, ratings lie between; nothing unless something was said.

    A winner must win as well with those who said nothing counted as unhappy, and as happy.
    """
    FOUND = "found"
    """Whether the documents were taken to answer the question."""
    SUPPORT = "support"
    """How far what it cites says the same."""


class Harm(StrEnum):
    """What can be wrong with an answer; 0 or 1."""

    ERROR = "error"
    """There was none."""
    REFUSED = "refused"
    """The documents were taken not to answer the question."""
    SLOW = "slow"
    """It took longer than `slow_s`, or was broken off after that."""


class GuardRail(Stage):
    """A rate that a variant may not raise: errors, refusals, slow answers."""

    metric: Harm
    max_rise: float = Field(0.02, ge=0, lt=1)
    """The variant is stopped when its rate is proven to exceed the control's by more."""
    window_h: float = Field(1.0, gt=0)
    """A user counts when so long has passed since the first answer: short, so that harm is seen soon."""


class ExperimentConfig(Stage):
    """What a variant must show, and what it may not do."""

    outcome: Outcome = Outcome.SATISFACTION
    """What decides."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Of everything said of the outcome together, whenever and however often it is looked at."""
    min_effect: float = Field(0.02, ge=0, lt=1)
    """The smallest gain of the mean outcome worth a switch; one proven smaller ends the experiment."""
    window_h: float = Field(24.0, gt=0)
    """A user counts once, by the mean outcome of so many hours from the first answer on."""
    guard_confidence: float = Field(0.95, gt=0.5, lt=1)
    """That no guard rail, of all together, stops a variant which keeps to it."""
    guard_rails: tuple[GuardRail, ...] = (
        GuardRail(metric=Harm.ERROR),
        GuardRail(metric=Harm.REFUSED, max_rise=0.05),
        GuardRail(metric=Harm.SLOW, max_rise=0.05),
    )
    slow_s: float = Field(2.0, gt=0)
    """Seconds to the end of an answer from which it is slow."""

    @model_validator(mode="after")
    def _each_rail_once(self) -> Self:
        metrics = [rail.metric for rail in self.guard_rails]
        if len(set(metrics)) < len(metrics):
            raise ValueError(f"guard_rails names a metric twice ({', '.join(metrics)}): name each once")
        return self
