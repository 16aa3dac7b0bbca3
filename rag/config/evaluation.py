"""What a release is asked to see what its answers are worth. Imports no torch."""

from pydantic import Field

from rag.config.stage import Stage


class EvaluationConfig(Stage):
    """Which questions are asked, and how many."""

    questions_max: int = Field(1000, ge=1)
    """Of an evaluation set; real ones first."""
    renew_share: float = Field(0.1, gt=0, le=1)
    """New questions, of those that are in the set, from which another version of it is frozen."""
    answered: int = Field(200, ge=1)
    """Questions of the set that are answered, real ones first: answering takes longer than retrieving."""
    unanswerable: int = Field(40, ge=0)
    """Questions that are asked for what no document has."""
    seed: int = 13
