"""A language model on this machine: any chat model of the transformers library."""

import logging
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from rag.errors import ConfigError
from rag.hub_base import fetching
from rag.llm.causal import (
    UNLOADABLE,
    CausalModel,
    Continuation,
    count_tokens,
    load_tokenizer,
    load_weights,
    model_folder,
)
from rag.llm.chat_template import ASKED, INSTRUCT, rendered
from rag.llm.protocol import Completion, Outcome, Prompt, TooLarge, Transient
from storage.folders import folder_digest

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "Qwen/Qwen2.5-1.5B-Instruct"


class LocalProvider:
    """Answers batches of prompts. The model is loaded when it is first asked: in 4 bit on a card, plain on a CPU."""

    name = "local"

    def __init__(
        self,
        model: str | None,
        at_once: int,
        turn_s: float | None = None,
        setting: str = "synthesis.llm",
        instead: str = "set synthesis.writer to extractive",
    ) -> None:
        """Take a model by its name on the hub, or by its folder.

        :param turn_s: longest wait of a stream for the one before it; without end unless given.
        :param setting: where the config says what is asked, for the remedies, and what to do `instead`.
        """
        folder = Path(model or DEFAULT_MODEL).expanduser()
        self._source = str(folder) if folder.is_dir() else model or DEFAULT_MODEL
        self.model = f"{folder.name}@{folder_digest(folder)[:12]}" if folder.is_dir() else self._source
        self.at_once = at_once
        self.tokens_per_minute: int | None = None
        self._turn, self._turn_s, self._setting, self._instead = Lock(), turn_s, setting, instead

    @property
    def context_tokens(self) -> int | None:
        """See `Provider`. Loads the model.

        :raises ConfigError: if it cannot be loaded.
        """
        return self._model.context_tokens

    def count_tokens(self, prompt: Prompt) -> int:
        """See `Provider`.

        :raises ConfigError: if the tokenizer cannot be loaded.
        """
        return count_tokens(self._tokenizer, self._text(prompt))

    def complete(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Outcome]]:
        """See `Provider`.

        :raises ConfigError: if the model cannot be loaded.
        """
        texts = [self._text(prompt) for prompt in prompts]
        fitting = [place for place, text in enumerate(texts) if self._model.fits(text, prompts[place].max_tokens)]
        for place in set(range(len(prompts))) - set(fitting):
            yield place, self._too_large(prompts[place])
        for group in _alike(fitting, prompts):
            longest = [prompts[place].max_tokens for place in group]
            drawn = _drawn(prompts[group[0]])
            said = self._model.complete([texts[place] for place in group], longest, *drawn)
            for place, each in zip(group, said, strict=True):
                yield place, each if isinstance(each, TooLarge) else _completion(each)

    def stream(self, prompt: Prompt) -> Generator[str, None, Completion]:
        """See `Provider`. One at a time: two would not be faster than one after the other.

        :raises ConfigError: if the model cannot be loaded.
        """
        text = self._text(prompt)
        if not self._model.fits(text, prompt.max_tokens):
            raise self._too_large(prompt)
        if not self._turn.acquire(timeout=-1 if self._turn_s is None else self._turn_s):
            raise Transient("it is busy with another answer")
        try:
            streamed = self._model.stream(text, prompt.max_tokens, *_drawn(prompt), self._asks_itself)
            return _completion((yield from streamed))
        finally:
            self._turn.release()

    def find(self) -> None:
        """Find the model, on this machine or on the hub, and read no more of it than its tokenizer.

        :raises ConfigError: if it cannot be had.
        """
        _ = self._tokenizer

    def close(self) -> None:
        """Give the model's memory back."""
        self.__dict__.pop("_model", None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            tokenizer = load_tokenizer(self._folder)
        except UNLOADABLE as error:
            raise self._cannot_load(error) from error
        tokenizer.chat_template = tokenizer.chat_template or INSTRUCT
        return tokenizer

    @cached_property
    def _model(self) -> CausalModel:
        tokenizer = self._tokenizer
        try:
            weights = load_weights(self._folder)
        except UNLOADABLE as error:
            raise self._cannot_load(error) from error
        logger.info("loaded %s on %s", self._source, weights.device)
        return CausalModel(tokenizer, weights)

    @cached_property
    def _folder(self) -> str:
        with fetching(f"the language model {self._source}", self._remedy):
            folder = model_folder(self._source)
        return folder

    def _cannot_load(self, error: Exception) -> ConfigError:
        return ConfigError(f"cannot load the language model {self._source} ({type(error).__name__}): {self._remedy}")

    @property
    def _remedy(self) -> str:
        return f"give a folder with a chat model in {self._setting}.model, or {self._instead}"

    def _text(self, prompt: Prompt) -> str:
        """Return the prompt as the model reads it."""
        (text,) = rendered(self._tokenizer, [prompt.messages])
        return text

    def _asks_itself(self, piece: str) -> bool:
        """Say whether a model without a chat template, which only goes on with a text, begins a question of its own."""
        return self._tokenizer.chat_template == INSTRUCT and piece.startswith(ASKED)

    def _too_large(self, prompt: Prompt) -> TooLarge:
        exceed = f"exceed the model's {self.context_tokens} tokens"
        return TooLarge(f"a prompt and its {prompt.max_tokens} tokens of answer {exceed}")


def _alike(places: Sequence[int], prompts: Sequence[Prompt]) -> list[list[int]]:
    """Group prompts that can be answered in one batch: those whose words are drawn alike."""
    groups: dict[tuple[float, float], list[int]] = {}
    for place in places:
        groups.setdefault(_drawn(prompts[place]), []).append(place)
    return list(groups.values())


def _drawn(prompt: Prompt) -> tuple[float, float]:
    """Return by which temperature words are drawn, and from which share of the probability."""
    return prompt.temperature, 1.0 if prompt.top_p is None else prompt.top_p


def _completion(said: Continuation) -> Completion:
    return Completion(text=said.text, tokens_in=said.tokens_in, tokens_out=said.tokens_out, truncated=not said.ended)
