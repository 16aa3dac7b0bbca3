"""What every provider of language models speaks: messages in, text out, with what it took."""

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from rag.errors import LanguageModelUnavailable

_CHARS_A_TOKEN = 3.0
"""Fewer than tokens of English take (4), so that a budget holds for other scripts and numbers too."""
_TOKENS_A_MESSAGE = 8


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Prompt(BaseModel):
    """What a model is asked, and how it may answer."""

    model_config = ConfigDict(frozen=True)

    messages: tuple[Message, ...]
    max_tokens: int
    """Tokens that the answer may have; a provider counts them against its limits before it answers."""
    temperature: float
    top_p: float | None = None
    """Share of the probability that words are drawn from; the model's own unless given."""
    as_json: bool = False
    """Whether the answer must be one JSON object."""

    @property
    def tokens(self) -> int:
        """About how many tokens the messages and the longest answer have together."""
        characters = sum(len(message.content) for message in self.messages)
        return int(characters / _CHARS_A_TOKEN) + _TOKENS_A_MESSAGE * len(self.messages) + self.max_tokens

    def digest(self, provider: str, model: str) -> str:
        """Return 32 hex digits for this prompt to that model."""
        asked = json.dumps([provider, model, self.model_dump(mode="json", exclude_none=True)], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:32]


class Completion(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    tokens_in: int
    tokens_out: int
    truncated: bool = False
    """It ends because it reached `max_tokens`."""


class Transient(Exception):
    """A request that failed, and may succeed if it is sent again."""

    def __init__(
        self, reason: str, wait_s: float | None = None, unmetered: bool = False, garbled: bool = False
    ) -> None:
        """Say why; `wait_s` is how long the provider asks to wait.

        `unmetered` tells that tokens may have been spent of which nobody knows, and `garbled` that an answer came which
        was of no use.
        """
        super().__init__(reason)
        self.wait_s, self.unmetered, self.garbled = wait_s, unmetered, garbled


class TooLarge(Exception):
    """A request that is larger than the provider ever takes at once."""

    def __init__(self, reason: str, limit: int | None = None) -> None:
        """Say why; `limit` is how many tokens it takes a minute, if that is known."""
        super().__init__(reason)
        self.limit = limit


Outcome = Completion | Transient | TooLarge | LanguageModelUnavailable
"""What may come of a prompt; the last means that asking further is of no use."""


class Provider(Protocol):
    """Somewhere to send prompts."""

    name: str
    model: str
    """What identifies the model: the same name gives answers that may be used again."""
    at_once: int
    """Prompts that it can take together."""
    tokens_per_minute: int | None
    """Its limit, if it has told one."""

    @property
    def context_tokens(self) -> int | None:
        """Tokens of a prompt and its answer together at most, if that is known."""

    def count_tokens(self, prompt: Prompt) -> int:
        """Return how many tokens the messages have: exactly, where the model's own tokenizer is at hand."""

    def complete(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Outcome]]:
        """Yield what comes of up to `at_once` prompts, each by its place and as soon as it is there."""

    def stream(self, prompt: Prompt) -> Generator[str, None, Completion]:
        """Yield the answer's text as it comes; the generator returns the whole.

        :raises Transient: if it breaks off.
        :raises TooLarge: if the prompt is larger than the provider takes.
        :raises LanguageModelUnavailable: if asking further is of no use.
        """

    def close(self) -> None:
        """Give back connections and memory."""
