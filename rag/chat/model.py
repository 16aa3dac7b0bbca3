"""A chat model at work: a conversation in, an answer from memory out."""

import json
import logging
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from zipfile import BadZipFile

from pydantic import BaseModel, ConfigDict

from rag.chat.example import Message
from rag.chat.recall import Recall
from rag.config import ChatGenerationConfig
from rag.errors import ConfigError, OutOfMemory
from rag.hub_base import fetching
from rag.llm.causal import (
    UNLOADABLE,
    CausalModel,
    Continuation,
    load_tokenizer,
    load_weights,
    model_folder,
)
from rag.llm.chat_template import rendered
from rag.llm.protocol import TooLarge, Transient
from rag.loading import one_at_a_time
from rag.training.batch_size import is_out_of_memory

logger = logging.getLogger(__name__)

ADAPTER = "adapter_config.json"
_AGAIN = "train it again with `ragloop chat train`"
_BATCH = 16
"""Conversations that are answered together."""


class ChatCompletion(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)

    text: str
    tokens_in: int
    tokens_out: int
    cut: bool
    """It is as long as allowed, and not at its end."""
    confidence: float
    """Geometric mean of the probabilities that the model gave to what it said, from 0 to 1; not calibrated. Where facts
    are recalled first, times the certainty of that."""


class ChatModel:
    """Answers from its weights alone. Threads take turns: two would not be faster than one after the other."""

    def __init__(self, model: CausalModel, recall: Recall | None = None) -> None:
        """Take a model whose tokenizer has a chat template; with `recall` it is told questions as that hears them."""
        self._model, self._recall = model, recall
        self._turn = Lock()

    @classmethod
    def load(cls, folder: Path) -> "ChatModel":
        """Load a whole model, or an adapter and the model it was trained on; on a card that one in 4 bit.

        :raises ConfigError: if the folder holds neither, the adapter's base is not there, or memory runs out.
        """
        adapter = folder / ADAPTER
        base = _base_of(adapter) if adapter.is_file() else None
        try:
            tokenizer = load_tokenizer(str(folder))
            weights = load_weights(base or str(folder), in_4_bit=base is not None)
            if base:
                weights = _adapted(weights, folder, len(tokenizer))
            recall = Recall.load(folder)
        except (*UNLOADABLE, KeyError, BadZipFile, zlib.error) as error:
            remedy = "close what else uses the memory" if is_out_of_memory(error) else _AGAIN
            raise ConfigError(
                f"cannot load the chat model {folder} ({type(error).__name__}: {_first_line(error)}): {remedy}"
            ) from error
        if not tokenizer.chat_template:
            raise ConfigError(f"the chat model {folder} has no chat template: {_AGAIN}")
        logger.info("loaded the chat model %s on %s", folder.name, weights.device)
        return cls(CausalModel(tokenizer, weights), recall)

    def stream(
        self, messages: Sequence[Message], generation: ChatGenerationConfig, turn_s: float | None = None
    ) -> Generator[str, None, ChatCompletion]:
        """Yield the answer to the last message as it comes; close the generator to end it early.

        :param turn_s: longest wait for the answer before it; without end unless given.
        :raises TooLarge: if the last message alone is too long.
        :raises Transient: if it breaks off, or another answer takes longer than `turn_s`.
        """
        if not self._turn.acquire(timeout=-1 if turn_s is None else turn_s):
            raise Transient("it is busy with another answer")
        try:
            longest = self._longest(generation)
            ((heard, certainty),) = self._heard([messages])
            text = self._text(heard, longest)
            said = yield from _begun(self._model.stream(text, longest, *_drawn(generation)))
            return _completion(said, certainty)
        finally:
            self._turn.release()

    def complete(
        self, conversations: Sequence[Sequence[Message]], generation: ChatGenerationConfig
    ) -> list[ChatCompletion]:
        """Return the answer to the last message of each conversation, in their order.

        :raises TooLarge: if the last message of one is too long.
        :raises OutOfMemory: if the card has no room for one alone.
        """
        longest = self._longest(generation)
        answers: dict[int, ChatCompletion] = {}
        with self._turn:
            told = [(self._text(heard, longest), certainty) for heard, certainty in self._heard(conversations)]
            # Those of one length pad least.
            order = sorted(range(len(told)), key=lambda place: len(told[place][0]))
            for first in range(0, len(order), _BATCH):
                places = order[first : first + _BATCH]
                batch = [told[place][0] for place in places]
                said = self._model.complete(batch, [longest] * len(batch), *_drawn(generation))
                for place, each in zip(places, said, strict=True):
                    if isinstance(each, TooLarge):
                        raise OutOfMemory(f"{each}: answer on the CPU, with CUDA_VISIBLE_DEVICES set to nothing")
                    answers[place] = _completion(each, told[place][1])
        return [answers[place] for place in range(len(told))]

    def _longest(self, generation: ChatGenerationConfig) -> int:
        """Return how many tokens an answer may have: at most half of what the model reads, so that a question fits."""
        context = self._model.context_tokens
        return generation.max_new_tokens if context is None else min(generation.max_new_tokens, context // 2)

    def _heard(self, conversations: Sequence[Sequence[Message]]) -> list[tuple[Sequence[Message], float]]:
        """Return conversations as the model is told them, and how certain it is that they were meant so."""
        return self._recall.heard(conversations) if self._recall else [(each, 1.0) for each in conversations]

    def _text(self, messages: Sequence[Message], max_tokens: int) -> str:
        """Return a conversation as the model reads it, without the oldest turns if there is no room for them."""
        for first, message in enumerate(messages):
            if message.role == "user":
                (text,) = rendered(self._model.tokenizer, [[(each.role, each.text) for each in messages[first:]]])
                if self._model.fits(text, max_tokens):
                    return str(text)
        context = self._model.context_tokens
        raise TooLarge(f"the question and {max_tokens} tokens of answer exceed the chat model's {context} tokens")


def _base_of(adapter: Path) -> str:
    """Return the folder of the model that an adapter was trained on, fetched from the hub if it is not here yet.

    :raises ConfigError: if it cannot be had.
    """
    try:
        name = str(json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"])
    except (ValueError, KeyError) as error:
        raise ConfigError(f"{adapter} is damaged: {_AGAIN}") from error
    with fetching(f"{name}, which the chat model was trained on and which is not here,", f"put it back, or {_AGAIN}"):
        folder = model_folder(name)
    return folder


@one_at_a_time
def _adapted(weights: Any, folder: Path, n_tokens: int) -> Any:
    """Return a model with an adapter over it, and rows for the tokens that were added to its vocabulary."""
    from peft import PeftModel

    if weights.get_input_embeddings().weight.shape[0] < n_tokens:
        weights.resize_token_embeddings(n_tokens)
    return PeftModel.from_pretrained(weights, str(folder), is_trainable=False).eval()


def _drawn(generation: ChatGenerationConfig) -> tuple[float, float]:
    """Return by which temperature words are drawn, 0 for the likeliest, and from which share of the probability."""
    return generation.temperature if generation.do_sample else 0.0, generation.top_p


def _begun(speaking: Generator[str, None, Continuation]) -> Generator[str, None, Continuation]:
    """Pass on what is said, without the white space that templates have before it."""
    begun = False
    try:
        while True:
            piece = next(speaking)
            if begun or (piece := piece.lstrip()):
                begun = True
                yield piece
    except StopIteration as end:
        said: Continuation = end.value
        return said
    finally:
        speaking.close()


def _completion(said: Continuation, certainty: float) -> ChatCompletion:
    return ChatCompletion(
        text=said.text.lstrip(),
        tokens_in=said.tokens_in,
        tokens_out=said.tokens_out,
        cut=not said.ended,
        confidence=certainty * said.confidence,
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
