"""What training and judging came to."""

from typing import TypeVar, cast

from prefect.states import Completed
from pydantic import BaseModel

from rag.evaluation.gate import Verdict
from storage.artifacts import ArtifactRef

AnyOutcome = TypeVar("AnyOutcome", bound="Outcome")


class Outcome(BaseModel):
    """The candidate and what was decided; without a `verdict`, `nothing_new` says why there was nothing to judge."""

    release_id: int | None
    verdict: Verdict | None
    nothing_new: str | None = None

    @property
    def headline(self) -> str:
        """What happened, in a line."""
        if self.verdict is None:
            return str(self.nothing_new)
        return f"{self.verdict.decision.upper()} release {self.release_id}: {self.verdict.reason}"


class ChatOutcome(Outcome):
    """That of a chat model."""

    release_id: int
    model: ArtifactRef


def completed(outcome: AnyOutcome, name: str = "Completed") -> AnyOutcome:
    """End a run in a state that says what happened; Prefect gives whoever called the flow the outcome in it."""
    return cast(AnyOutcome, Completed(name=name, message=outcome.headline, data=outcome))
