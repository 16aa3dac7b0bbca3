"""What training and judging came to."""

from pydantic import BaseModel

from rag.evaluation.gate import Verdict
from storage.artifacts import ArtifactRef


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

    model: ArtifactRef
