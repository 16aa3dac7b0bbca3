"""What a search has tried, and what came of it."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, computed_field

from rag.evaluation.significance import Interval, cautious_interval
from rag.tuning.score import Score
from rag.tuning.settings import TrialSettings
from storage.artifacts import ArtifactRef

_CONFIDENCE, _RESAMPLES, _SEED = 0.95, 10_000, 13


class Trial(BaseModel):
    """Settings, and what a training with them is worth."""

    model_config = ConfigDict(frozen=True)

    number: int
    """0 is what was in force."""
    settings: TrialSettings
    embedder: ArtifactRef
    tuned_share: float
    """Of the tuned weights, as it was best merged with the base's."""
    seconds: float
    """That the trial took; next to none if it had been trained before."""
    score: Score


class FailedTrial(BaseModel):
    """Settings that no embedder could be trained with."""

    model_config = ConfigDict(frozen=True)

    number: int
    settings: TrialSettings
    why: str


class Search(BaseModel):
    """All trials of a search, as they came."""

    model_config = ConfigDict(frozen=True)

    trials: tuple[Trial, ...]
    failed: tuple[FailedTrial, ...] = ()

    @classmethod
    def of(cls, tried: Sequence[Trial | FailedTrial]) -> Self:
        """Return what came of all that was tried."""
        return cls(
            trials=tuple(trial for trial in tried if isinstance(trial, Trial)),
            failed=tuple(trial for trial in tried if isinstance(trial, FailedTrial)),
        )

    @property
    def best(self) -> Trial:
        """The trial with the highest score, the first of several."""
        return max(self.trials, key=lambda trial: trial.score.mrr)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def gain(self) -> Interval:
        """What the best has in MRR@10 over what is in force, on the same questions.

        The best of many is good by luck as well: the interval holds for all trials together (Bonferroni).
        """
        in_force, best = (trial.score for trial in (self.trials[0], self.best))
        differences = [b - a for a, b in zip(in_force.reciprocal_ranks, best.reciprocal_ranks, strict=True)]
        confidence = 1 - (1 - _CONFIDENCE) / max(1, len(self.trials) - 1)
        return cautious_interval(differences, list(map(str, best.documents)), confidence, _RESAMPLES, _SEED)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def conclusion(self) -> str:
        """Whether the best is better than what is in force, in a sentence without its stop."""
        if self.best.number == 0:
            return "none scored higher than what is in force"
        said = f"trial {self.best.number} has {self.gain} in MRR@10 over what is in force"
        return said if self.gain.low > 0 else f"{said}: not told apart from what is in force"


def trial_rows(search: Search) -> list[dict[str, Any]]:
    """Return the trials as rows, the best first, those that failed last."""
    rows: list[dict[str, Any]] = [
        {
            "trial": f"{trial.number}{' (in force)' if trial.number == 0 else ''}",
            **trial.settings.model_dump(),
            "tuned_share": trial.tuned_share,
            "mrr@10": trial.score.mrr,
            "hit@5": trial.score.hit5,
            "seconds": round(trial.seconds),
        }
        for trial in sorted(search.trials, key=lambda trial: (-trial.score.mrr, trial.number))
    ]
    nothing = {"tuned_share": None, "mrr@10": "failed", "hit@5": None, "seconds": None}
    return rows + [{"trial": str(trial.number), **trial.settings.model_dump(), **nothing} for trial in search.failed]
