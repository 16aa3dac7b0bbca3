"""A question and what was said before -> the text that is searched."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict


class Query(BaseModel):
    """One search."""

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    history: tuple[str, ...] = ()
    """Earlier questions of the same person, oldest first."""
    restrict_to: tuple[str, ...] = ()
    """Names of documents; empty for all."""


def search_text(question: str, history: Sequence[str]) -> str:
    """Return the question with the one before it in front, which names what "it" and "that" stand for."""
    return f"{history[-1]} {question}" if history else question
