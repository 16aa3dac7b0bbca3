"""What every generator of answers speaks: a question with numbered passages in, pieces of text out."""

from collections.abc import Generator as Iteration
from typing import Protocol

from pydantic import BaseModel, ConfigDict, PositiveInt

from rag.answering.answer import Turn, Way
from rag.answering.sampling import Sampling
from rag.retrieval.retriever import Hit


class Passage(BaseModel):
    """A chunk that may be cited, under its number."""

    model_config = ConfigDict(frozen=True)

    number: PositiveInt
    hit: Hit


class Request(BaseModel):
    """What a generator is given."""

    model_config = ConfigDict(frozen=True)

    question: str
    standing: str
    """The question as it reads alone: in a follow-up, what was said before takes the place of "it" and "that"."""
    history: tuple[Turn, ...] = ()
    passages: tuple[Passage, ...]
    """Best first; numbered from 1. None for a model that answers from memory before any are looked for."""
    sampling: Sampling = Sampling()


class Ending(BaseModel):
    """How a generator ended."""

    model_config = ConfigDict(frozen=True)

    cut: bool = False
    """It reached its longest answer."""
    confidence: float | None = None
    """Of a chat model: geometric mean probability of its tokens, 0 to 1, not calibrated."""


class GeneratorSilent(Exception):
    """A generator that gives no answer, or breaks one off; the message says why, in a line for people."""

    def __init__(self, reason: str, at_once: bool = False) -> None:
        """Say why; `at_once` means that asking again soon is of no use, so that the breaker opens at once."""
        super().__init__(reason)
        self.at_once = at_once


class Unsuited(GeneratorSilent):
    """It cannot answer this question, which says nothing of the next one."""


class Generator(Protocol):
    """Something that answers."""

    name: str
    """As the answer names it: groq/openai/gpt-oss-20b, extractive."""
    way: Way
    """How an answer of it comes about."""

    def generate(self, request: Request) -> Iteration[str, None, Ending]:
        """Yield the answer's text as it comes, with citation marks such as [2].

        :raises GeneratorSilent: if it cannot answer, or breaks off.
        """

    def close(self) -> None:
        """Give back connections and memory."""
