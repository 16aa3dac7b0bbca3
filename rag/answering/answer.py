"""What is asked and what comes back: a question, and an answer whose sentences name the spans that support them."""

from enum import StrEnum
from typing import Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, field_validator

from rag.answering.sampling import Sampling
from rag.feedback.signals import Name
from rag.retrieval.retriever import Hit

MAX_SAID = 1_000_000
"""Characters of something said before, at most."""
_LAST_TURNS, _TURN_CHARS = 20, 4000
"""What of a conversation is used and kept: its last turns, of each the beginning."""


class Way(StrEnum):
    """How an answer comes about."""

    RAG = "rag"
    """From the passages that were retrieved."""
    CLOSED_BOOK = "closed-book"
    """From the memory of the chat model that was trained on the documents."""
    HYBRID = "hybrid"
    """By the chat model, from the passages."""


class Turn(BaseModel):
    """Something said before, in the same conversation."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant"]
    content: str = Field(max_length=MAX_SAID)


class Question(BaseModel):
    """What somebody asks."""

    model_config = ConfigDict(frozen=True)

    text: str = Field(min_length=1, max_length=4000)
    history: tuple[Turn, ...] = ()
    """Oldest first; what goes beyond 20 turns, or 4000 characters of one, is left out."""
    documents: tuple[str, ...] = ()
    """Names of the documents to look in; empty for all."""
    sampling: Sampling = Sampling()
    """How whoever draws words for the answer is to speak."""
    user_fingerprint: Name | None = None
    named: bool = True
    """Whether the fingerprint is a person's, and not that of a key, which many may use."""
    id: Name = Field(default_factory=lambda: uuid4().hex)
    """What the interaction is kept under, and what feedback refers to."""

    @field_validator("history")
    @classmethod
    def _recent(cls, history: tuple[Turn, ...]) -> tuple[Turn, ...]:
        return tuple(Turn(role=turn.role, content=turn.content[:_TURN_CHARS]) for turn in history[-_LAST_TURNS:])


class Citation(BaseModel):
    """A span of a document that supports something in an answer."""

    model_config = ConfigDict(frozen=True)

    number: PositiveInt
    """As it stands in the answer's text: [1]."""
    chunk_id: str
    doc_id: str
    document: str
    page_no: int
    """The page on which the span starts."""
    char_start: int
    char_end: int
    """Offsets into the document's extracted text; `char_end` is exclusive."""
    quote: str
    """The cleaned text of the span."""


class Statement(BaseModel):
    """A sentence of an answer, and what it rests on."""

    model_config = ConfigDict(frozen=True)

    text: str
    """Without citation marks."""
    citations: tuple[int, ...]
    """Numbers of the citations; empty if nothing supports it."""
    support: float
    """0 to 1: how far the cited spans say the same."""


class Silent(BaseModel):
    """A generator that did not answer."""

    model_config = ConfigDict(frozen=True)

    generator: str
    reason: str


class Drawn(BaseModel):
    """The part that a question has in an experiment."""

    model_config = ConfigDict(frozen=True)

    variant: Name
    """As answer and interaction tell it."""
    silent: tuple[Silent, ...] = ()
    """The release that was to answer, if it cannot be opened and another does."""


class Answer(BaseModel):
    """A whole answer."""

    model_config = ConfigDict(frozen=True)

    id: str
    """That of the interaction: feedback names it."""
    collection: str
    release_id: int
    question: str
    text: str
    """With citation marks, [1] and so on."""
    statements: tuple[Statement, ...]
    citations: tuple[Citation, ...]
    found: bool
    """False if the documents do not answer the question; then the text says so and cites nothing."""
    support: float
    """0 to 1: the mean support of the statements."""
    evidence: float
    """How far the best passages bear on the question, which the threshold for `found` is compared with."""
    generator: str | None
    """Who spoke; None if nobody was asked, because nothing was found."""
    way: Way = Way.RAG
    """How it came about."""
    variant: str | None = None
    """Where an experiment runs: its id, and whether control or variant was drawn, as in 3/control."""
    silent: tuple[Silent, ...] = ()
    """Who was asked before and did not answer, and why."""
    cut: bool = False
    """It ends because it reached the longest answer, not because it was done."""
    cached: bool = False
    hits: tuple[Hit, ...]
    """What was retrieved, best first."""
    timings: dict[str, NonNegativeFloat] = {}
    """Seconds by step: memory, retrieval, first_piece, generation, total."""


class Retrieved(BaseModel):
    """First of an answer's events: what will be answered from."""

    model_config = ConfigDict(frozen=True)

    id: str
    release_id: int
    hits: tuple[Hit, ...]


class Piece(BaseModel):
    """More of the answer's text, cited as it comes: the pieces together are the text of the answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    generator: str


class Restarted(BaseModel):
    """What was said so far is void: its generator broke off, or the documents do not bear it out. More follows."""

    model_config = ConfigDict(frozen=True)

    silent: Silent


class Done(BaseModel):
    """Last of an answer's events: the whole of it. One that nothing was found for may have had no pieces."""

    model_config = ConfigDict(frozen=True)

    answer: Answer


Event = Retrieved | Piece | Restarted | Done
