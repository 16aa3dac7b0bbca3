"""What the filters leave out, and why, so that a person can look at it."""

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from rag.pairs.pair import Origin, QueryPair, QuestionType, Split
from storage.tables import QueryPairRow


class DropReason(StrEnum):
    """The filter that a pair did not pass, in the order in which they run."""

    LOST = "no_longer_in_documents"
    UNGROUNDED = "ungrounded"
    ROUND_TRIP = "round_trip"
    DUPLICATE = "duplicates"
    NEAR_DUPLICATE = "near_duplicates"
    LEAK = "leaks"

    @property
    def label(self) -> str:
        """The name as words."""
        return self.value.replace("_", " ")


class DroppedPair(BaseModel):
    """A pair that is not learned from, with the reason."""

    model_config = ConfigDict(frozen=True)

    reason: DropReason
    detail: str
    """What was found, in a line: the question it repeats, its rank, what its answer adds."""
    question: str
    answer: str
    document: str
    question_type: QuestionType
    origin: Origin
    split: Split | None
    """None where its document is no longer there."""

    @classmethod
    def of(cls, pair: QueryPair | QueryPairRow, reason: DropReason, detail: str) -> "DroppedPair":
        """Return the record of a pair that a filter dropped, or of a real question that became none."""
        return cls(
            reason=reason,
            detail=detail,
            question=pair.anchor,
            answer=pair.answer,
            document=pair.document,
            question_type=QuestionType(pair.question_type),
            origin=Origin(pair.origin),
            split=pair.split if isinstance(pair, QueryPair) else None,
        )


class Filtered(NamedTuple):
    """What a filter made of pairs, both in their order."""

    kept: list[QueryPair]
    dropped: list[DroppedPair]
