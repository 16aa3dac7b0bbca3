"""A question and what was said before -> what is searched."""

from pydantic import BaseModel, ConfigDict

HISTORY_WEIGHT = 0.3
"""Weight of the question before a follow-up, which names what "it" and "that" stand for, beside the follow-up's own.

Measured on 132 follow-ups of mtrag: MRR@10 .68 with it, .57 with both in one text, .67 with the follow-up alone. From
.2 to .4 it hardly differs, and giving it only to follow-ups with pronouns or few words is no better.
"""


class Query(BaseModel):
    """One search."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    history: tuple[str, ...] = ()
    """Earlier questions of the same person, oldest first."""
    restrict_to: tuple[str, ...] = ()
    """Names of documents; empty for all."""
    expanded: bool = True
    """Whether what the release expands questions with may be used; an answer that is looked for is no question."""

    @property
    def weighted_texts(self) -> tuple[tuple[str, float], ...]:
        """What is searched: the question, and for a follow-up the one before it with its weight."""
        return ((self.question, 1.0), *((text, HISTORY_WEIGHT) for text in self.history[-1:]))
