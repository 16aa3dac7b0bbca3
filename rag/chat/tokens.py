"""Conversations as token ids, of which the answer alone is learned."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rag.chat.example import ChatExample, Message
from rag.errors import ConfigError
from rag.llm.chat_template import rendered

logger = logging.getLogger(__name__)

IGNORED = -100
"""The label of a token that is not learned."""


@dataclass(frozen=True)
class Encoded:
    """A conversation by its tokens."""

    prompt: list[int]
    """All up to where the answer begins, as somebody who generates it writes it."""
    answer: list[int]
    """What is learned: the last message and the token that ends it."""

    @property
    def input_ids(self) -> list[int]:
        """What the model reads."""
        return self.prompt + self.answer

    @property
    def labels(self) -> list[int]:
        """As long as `input_ids`."""
        return [IGNORED] * len(self.prompt) + self.answer

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def token_counts(examples: Sequence[ChatExample], tokenizer: Any) -> list[int]:
    """Return how many tokens each example has."""
    return [len(encoded) for encoded in _encoded([example.messages for example in examples], tokenizer)]


def encode_examples(examples: Sequence[ChatExample], tokenizer: Any, max_length: int) -> tuple[list[Encoded], int]:
    """Return the examples by their tokens, in order, and how many were left out.

    The oldest turns of one that is longer than `max_length` are cut; one whose question and answer alone are longer is
    left out.

    :raises ConfigError: if the tokenizer's template does not begin an answer as it is prompted for.
    """
    whole = _encoded([example.messages for example in examples], tokenizer)
    kept: list[Encoded] = []
    for example, encoded in zip(examples, whole, strict=True):
        messages: Sequence[Message] = example.messages
        while len(encoded) > max_length and (messages := _without_oldest(messages)):
            (encoded,) = _encoded([messages], tokenizer)
        if len(encoded) <= max_length:
            kept.append(encoded)
    left_out = len(examples) - len(kept)
    if left_out:
        logger.warning(
            "%d of %d conversations are left out: question and answer are longer than chat.training.max_length (%d)",
            left_out,
            len(examples),
            max_length,
        )
    return kept, left_out


def end_token(tokenizer: Any) -> str:
    """Return the token that ends an answer in the tokenizer's template.

    :raises ConfigError: if answers end with no token of their own, so that nobody could learn when to stop.
    """
    (encoded,) = _encoded([(Message(role="user", content="?"), Message(role="assistant", content="!"))], tokenizer)
    last = encoded.answer[-1]
    if last not in tokenizer.all_special_ids:
        raise ConfigError(
            f"the chat template of {tokenizer.name_or_path} ends an answer with no special token: give it another "
            "template, or chat.training.base another model"
        )
    return str(tokenizer.convert_ids_to_tokens(last))


def _encoded(conversations: Sequence[Sequence[Message]], tokenizer: Any) -> list[Encoded]:
    """Encode prompts and answers apart, since a generated answer is never one token with the end of its prompt."""
    if not conversations:
        return []
    turns = [[(message.role, message.text) for message in messages] for messages in conversations]
    prompts = rendered(tokenizer, [each[:-1] for each in turns])
    texts = rendered(tokenizer, turns, to_be_answered=False)
    if not all(text.startswith(prompt) for text, prompt in zip(texts, prompts, strict=True)):
        raise ConfigError(
            f"the chat template of {tokenizer.name_or_path} does not begin an answer as it prompts for one: give it "
            "another template, or chat.training.base another model"
        )
    # What stands behind the end, as a line break does, is nothing to learn.
    answers = [text[len(prompt) :].rstrip() for text, prompt in zip(texts, prompts, strict=True)]
    ids = [tokenizer(parts, add_special_tokens=False)["input_ids"] for parts in (prompts, answers)]
    return [Encoded(*parts) for parts in zip(*ids, strict=True)]


def _without_oldest(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the conversation from its second question on; nothing if the last question is its first."""
    later = [place for place, message in enumerate(messages[:-1]) if place and message.role == "user"]
    return messages[later[0] :] if later else ()
