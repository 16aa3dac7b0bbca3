"""The passage to learn from: the evidence with as much around it as the encoder sees."""

import hashlib
from collections.abc import Callable, Sequence

Windows = Callable[[str, int, int], Sequence[tuple[int, int]]]
"""(text, tokens, stride) -> character spans of windows of at most that many tokens; the last ends with the text."""

_CHARS_A_TOKEN = 12
"""More characters than tokens of prose ever take, so that only the neighbourhood is tokenized."""


def training_passage(
    text: str, start: int, end: int, draw: str, max_tokens: int, windows: Windows, count: Callable[[str], int]
) -> tuple[int, int]:
    """Return the span of about `max_tokens` tokens of the document's text that holds the evidence `text[start:end]`.

    Where the evidence lies in it depends on `draw` alone, any text, so that a model cannot learn to look at the middle.
    Evidence that is longer than the passage is cut at its end.

    :raises ValueError: if the evidence is empty or outside the text.
    """
    if not 0 <= start < end <= len(text):
        raise ValueError(f"evidence {start}:{end} is not a span of a text of {len(text)} characters")
    spare = max_tokens - count(text[start:end])
    if spare <= 0:
        first = windows(text[start:end], max_tokens, max_tokens)[0]
        return start + first[0], start + first[1]
    reach = spare * _CHARS_A_TOKEN
    left, right = text[max(0, start - reach) : start], text[end : end + reach]
    before = round(_drawn(draw) * spare)
    before = min(max(before, spare - count(right)), count(left))
    after = spare - before
    if before > 0 and left.strip():
        cut = windows(left, before, before)[-1][0]
        start = _word_start(text, start - len(left) + cut, start)
    if after > 0 and right.strip():
        end = _word_end(text, end + windows(right, after, after)[0][1], end)
    return start, end


def _drawn(draw: str) -> float:
    """Return a number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(draw.encode()).digest()[:6]) / 2**48


def _word_start(text: str, at: int, limit: int) -> int:
    """Move forward from the middle of a word to the next one."""
    while 0 < at < limit and text[at - 1].isalnum() and text[at].isalnum():
        at += 1
    while at < limit and text[at].isspace():
        at += 1
    return at


def _word_end(text: str, at: int, limit: int) -> int:
    """Move back from the middle of a word to the one before."""
    while limit < at < len(text) and text[at - 1].isalnum() and text[at].isalnum():
        at -= 1
    while at > limit and text[at - 1].isspace():
        at -= 1
    return at
