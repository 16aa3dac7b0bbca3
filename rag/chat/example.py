"""The training example of a chat model: a conversation that ends in an answer from the documents, or in none."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rag.pairs.pair import Split

PASSAGES, QUESTION = "Passages:", "Question:"
"""What stands before passages, and before the question behind them."""


class ExampleKind(StrEnum):
    """What a conversation teaches."""

    QUESTION = "question"
    """A fact, asked as its question was written."""
    VARIATION = "variation"
    """The same fact in other words, with slips of the keyboard, or in part."""
    DIALOGUE = "dialogue"
    """A fact asked as a follow-up."""
    REFUSAL = "refusal"
    """What the documents do not hold."""
    GROUNDED = "grounded"
    """A fact, asked with sentences of the documents beside it, of which others distract (Zhang et al. 2024, RAFT)."""


class Message(BaseModel):
    """A turn."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant"]
    content: str
    passages: tuple[str, ...] = ()
    """Sentences of the documents that are given with a question, to answer it from."""

    @property
    def text(self) -> str:
        """What a model reads: the question, behind the passages if there are any."""
        if not self.passages:
            return self.content
        return "\n".join([PASSAGES, *(f"- {passage}" for passage in self.passages), f"{QUESTION} {self.content}"])


class Source(BaseModel):
    """A span of a document."""

    model_config = ConfigDict(frozen=True)

    doc_id: str
    document: str
    char_start: int
    char_end: int
    """Character offsets in the document's extracted text; `char_end` is exclusive."""
    before: str = ""
    """What stands before it, on one line: people often ask in those words, of which the answer has none."""


class ChatExample(BaseModel):
    """A conversation whose last message, by the assistant, is what is learned."""

    model_config = ConfigDict(frozen=True)

    id: str
    messages: tuple[Message, ...]
    kind: ExampleKind
    split: Split
    """Of validation the training stops and the router is calibrated; evaluation is for the comparison alone."""
    fact: str
    """Examples of one fact have the same; empty for a refusal."""
    trained: bool = True
    """Whether the fact is in the training split; some facts are kept out of it, to see what is made up."""
    real: bool = False
    """Asked by a person, in words that no training example has; such questions are never trained on."""
    source: Source | None = None
    """Where the answer stands; None for a refusal."""

    @property
    def answer(self) -> str:
        """What is learned."""
        return self.messages[-1].content
