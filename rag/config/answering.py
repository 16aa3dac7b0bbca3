"""Answering questions. Imports no torch."""

from enum import StrEnum

from pydantic import Field

from rag.config.language_model import LanguageModelConfig
from rag.config.stage import Stage


class GeneratorKind(StrEnum):
    """Who may answer."""

    GROQ = "groq"
    LOCAL = "local"
    """A language model on this machine, in 4 bit where there is a card."""
    CHAT_MODEL = "chat-model"
    """The release's own, trained on the documents."""
    EXTRACTIVE = "extractive"
    """The best sentences of the passages, joined and cited; needs no model."""


class AnswerModelConfig(LanguageModelConfig):
    """A language model that answers people who wait, so that one who is refused goes on to the next generator."""

    temperature: float = Field(0.2, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    """Share of the probability that words are drawn from; as the model has it unless given."""
    max_tokens: int = Field(512, ge=64)
    requests_per_minute: int | None = Field(None, ge=1, exclude=True)
    """As the provider allows unless given."""


class LocalAnswerModelConfig(AnswerModelConfig):
    """One on this machine."""

    model: str | None = "microsoft/phi-2"
    max_tokens: int = Field(256, ge=64)


class AnsweringConfig(Stage):
    """How an answer is made. What changes no answer is no part of a digest."""

    generators: tuple[GeneratorKind, ...] = Field((GeneratorKind.GROQ, GeneratorKind.EXTRACTIVE), min_length=1)
    """Asked in this order until one answers; one whose key, model or memory is missing is named and passed over."""
    template: str = "cited"
    """The prompt's, by its name in rag/answering/templates.toml or in the file of `templates`."""
    collection_templates: dict[str, str] = {}
    """Of the collections that want another template, by their names."""
    templates: str | None = None
    """A TOML file with further prompt templates."""
    passages: int = Field(5, ge=1, le=20)
    """Best chunks that an answer is made from."""
    prompt_tokens: int = Field(3000, ge=200)
    """The prompt's at most, beside the answer; passages that do not fit are left out, the last first."""
    max_sentences: int = Field(3, ge=1, le=10)
    """Of an extractive answer."""
    evidence_threshold: float | None = Field(None, ge=0, le=1)
    """Evidence under which the documents do not answer; learned on validation questions unless given."""
    first_piece_s: float = Field(3.0, gt=0, exclude=True)
    """Wait for the first piece of an answer before the next generator is asked."""
    gap_s: float = Field(5.0, gt=0, exclude=True)
    """Wait between two pieces."""
    total_s: float = Field(30.0, gt=0, exclude=True)
    """Longest time that one generator may take."""
    breaker_failures: int = Field(3, ge=1, exclude=True)
    """Failures in a row after which a generator is not asked for `breaker_s`."""
    breaker_s: float = Field(30.0, gt=0, exclude=True)
    cache_entries: int = Field(1000, ge=0, exclude=True)
    """Answers kept in memory for a collection; 0 keeps none."""
    cache_cosine: float | None = Field(None, gt=0, le=1, exclude=True)
    """Cosine from which a question counts as one that was answered before; only the same words do unless given."""
    llm: AnswerModelConfig = AnswerModelConfig()
    local: LocalAnswerModelConfig = LocalAnswerModelConfig()
