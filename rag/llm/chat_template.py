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


def rendered(
    tokenizer: Any, conversations: Sequence[Sequence[tuple[str, str]]], to_be_answered: bool = True
) -> list[str]:
    """Return conversations, of (role, content), as the model reads them by its chat template.

    A token of the template, such as the end of a turn, is none where somebody wrote it: a space breaks it.

    :param to_be_answered: end each with what begins an answer.
    """
    tokens = _control_tokens(tokenizer)
    turns = [
        [
            {"role": role, "content": tokens.sub(lambda found: f"{found[0][0]} {found[0][1:]}", content)}
            for role, content in conversation
        ]
        for conversation in conversations
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
