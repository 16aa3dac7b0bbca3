"""What a search has tried, and what came of it."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from rag.tuning.score import Score
from rag.tuning.settings import TrialSettings
from storage.artifacts import ArtifactRef


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


class Search(BaseModel):
    """All trials of a search, as they came."""

    model_config = ConfigDict(frozen=True)

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the highest score, the first of several."""
        return max(self.trials, key=lambda trial: trial.score.mrr)


def trial_rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return the trials as rows, the best first."""
    return [
        {
            "trial": f"{trial.number}{' (in force)' if trial.number == 0 else ''}",
            **trial.settings.model_dump(),
            "tuned_share": trial.tuned_share,
            "mrr@10": trial.score.mrr,
            "hit@5": trial.score.hit5,
            "seconds": round(trial.seconds),
        }
        for trial in sorted(trials, key=lambda trial: (-trial.score.mrr, trial.number))
    ]
