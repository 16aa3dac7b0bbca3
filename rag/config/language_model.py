"""Which language model is asked, and within what bounds. Imports no torch."""

from enum import StrEnum

from pydantic import Field

from rag.config.stage import Stage


class ModelProvider(StrEnum):
    """Where a language model runs."""

    NONE = "none"
    GROQ = "groq"
    LOCAL = "local"


class LanguageModelConfig(Stage):
    """A language model, and the bounds within which it is asked. What changes no answer is no part of a digest."""

    model: str | None = None
    """Name, or for the local provider also a folder; the provider's default unless given."""
    temperature: float = Field(0.7, ge=0, le=2)
    max_tokens: int = Field(2000, ge=64)
    """Tokens of an answer at most."""
    requests_per_minute: int | None = Field(30, ge=1, exclude=True)
    tokens_per_minute: int | None = Field(None, ge=100, exclude=True)
    """As the provider tells unless given."""
    at_once: int = Field(4, ge=1, le=64, exclude=True)
    """Prompts sent together, or answered in one batch."""
    attempts: int = Field(4, ge=1, exclude=True)
    """Times that a prompt is asked before it is given up."""
    backoff_s: float = Field(1.0, ge=0, exclude=True)
    """Wait before the second attempt; doubles with each. What the provider asks for comes first."""
    timeout_s: float = Field(60.0, gt=0, exclude=True)
    max_wait_s: float = Field(300.0, gt=0, exclude=True)
    """Longest wait that a provider may ask for; the run stops if it wants more."""
    prices: dict[str, tuple[float, float]] = Field({}, exclude=True)
    """USD for a million tokens in and out, by model, before the built-in table."""
