"""What is kept of a use: the question with its answer, and how the person reacted."""

from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeFloat, PositiveInt, model_validator

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class FeedbackKind(StrEnum):
    """A reaction: said outright, or read from what the person did."""

    RATING = "rating"
    THUMB_UP = "thumb_up"
    THUMB_DOWN = "thumb_down"
    CORRECTION = "correction"
    RIGHT_PASSAGE = "right_passage"
    """This passage answers the question."""
    CITATION_OPENED = "citation_opened"
    COPIED = "copied"
    REFORMULATED = "reformulated"
    ABANDONED = "abandoned"


VOTES = frozenset({FeedbackKind.RATING, FeedbackKind.THUMB_UP, FeedbackKind.THUMB_DOWN})
"""Judgements of a whole answer, of which each person has one."""
OF_A_PASSAGE = frozenset({FeedbackKind.RIGHT_PASSAGE, FeedbackKind.CITATION_OPENED, FeedbackKind.COPIED})
"""Reactions to one passage of those shown."""


class Feedback(BaseModel):
    """One reaction to an interaction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    interaction_id: Name
    kind: FeedbackKind
    value: int | None = Field(None, ge=1, le=5)
    """The rating; no other kind has one."""
    text: str | None = Field(None, min_length=1, max_length=20_000)
    """The corrected answer, the reworded question, or a comment."""
    chunk_id: Name | None = None
    """The passage that is right, was opened or was copied; another kind has none."""
    user_fingerprint: Name | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.value is not None) != (self.kind is FeedbackKind.RATING):
            raise ValueError("a rating has a value from 1 to 5, any other kind has none")
        if self.text is None and self.kind is FeedbackKind.CORRECTION:
            raise ValueError("a correction has the corrected answer as its text")
        if self.chunk_id is None and self.kind is FeedbackKind.RIGHT_PASSAGE:
            raise ValueError("right_passage has the chunk_id of the passage")
        if self.chunk_id is not None and self.kind not in OF_A_PASSAGE:
            raise ValueError(f"a chunk_id is for {', '.join(sorted(OF_A_PASSAGE))}")
        return self


class Retrieved(BaseModel):
    """A passage that was found for a question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_id: Name
    rank: PositiveInt
    score: FiniteFloat


class Interaction(BaseModel):
    """One question, and what was retrieved and answered by which release."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name = Field(default_factory=lambda: uuid4().hex)
    collection: Name
    release_id: PositiveInt
    question: str = Field(min_length=1, max_length=20_000)
    answer: str | None = Field(None, max_length=200_000)
    retrieved: tuple[Retrieved, ...] = ()
    variant: Name | None = None
    user_fingerprint: Name | None = None
    generator: Name | None = None
    history: str | None = Field(None, max_length=1_000_000)
    """What was said before, as JSON: a list of {role, content}, oldest first."""
    citations: tuple[dict[str, Any], ...] = ()
    """Of the answer: number, chunk_id, doc_id, char_start, char_end."""
    found: bool | None = None
    """Whether the documents were taken to answer it."""
    support: FiniteFloat | None = None
    silent: tuple[dict[str, Any], ...] = ()
    """Generators that did not answer: generator, reason."""
    cached: bool = False
    timings: dict[str, NonNegativeFloat] = {}
    """Seconds by step."""
