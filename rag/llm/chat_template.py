"""Conversations as a model reads them, by the chat template of its tokenizer."""

import re
from collections.abc import Sequence
from typing import Any

ASKED = "Instruct:"
INSTRUCT = (
    "{% for message in messages %}{{ '' if loop.first else '\n' }}"
    "{{ {'user': '" + ASKED + " ', 'assistant': 'Output: '}.get(message.role, '') + message.content }}{% endfor %}"
    "{{ '\nOutput:' if add_generation_prompt else eos_token }}"
)
"""How turns are told apart for a model without a chat template, as Phi-2 has learned it."""
_CONTENT = "ragloop-said"
_MARK = re.compile(r"\w.*[^\w\s]|[^\w\s].*\w")


def rendered(
    tokenizer: Any, conversations: Sequence[Sequence[tuple[str, str]]], to_be_answered: bool = True
) -> list[str]:
    """Return conversations, of (role, content), as the model reads them by its chat template.

    A token of the template, such as the end of a turn, is none where somebody wrote it, and words by which it tells
    turns apart, such as `Output:`, neither: a space breaks them.

    :param to_be_answered: end each with what begins an answer.
    """
    tokens = _control_tokens(tokenizer)
    marks = _marks(tokenizer, tokens)

    def broken(content: str) -> str:
        content = tokens.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)
        return marks.sub(lambda found: f"{found[0][:-1]} {found[0][-1]}", content)

    turns = [
        [{"role": role, "content": broken(content)} for role, content in conversation] for conversation in conversations
    ]
    texts: list[str] = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=to_be_answered)
    return texts


def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Return what finds the special tokens in a text, and others that the template sets."""
    added = tokenizer.added_tokens_decoder.values()
    found = {token.content for token in added if token.special or token.content in tokenizer.chat_template}
    # Nothing breaks a single character, and white space, which some vocabularies add, is text.
    wanted = sorted((token for token in found if len(token.strip()) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, wanted)) or r"(?!)")


def _marks(tokenizer: Any, tokens: re.Pattern[str]) -> re.Pattern[str]:
    """Return what finds the words with punctuation that the template sets before a turn beside its tokens."""
    turns = [{"role": role, "content": _CONTENT} for role in ("user", "assistant", "user")]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    parts = {part.strip() for part in re.split(rf"{_CONTENT}|\n|{tokens.pattern}", text)}
    # A name without punctuation, as "user", stands behind a token.
    found = sorted((part for part in parts if _MARK.search(part)), key=len, reverse=True)
    edges = (r"\b" if part[0].isalnum() else "" for part in found)
    wanted = (edge + re.escape(part) for edge, part in zip(edges, found, strict=True))
    return re.compile("|".join(wanted) or r"(?!)", re.IGNORECASE)
