"""Finding a quotation in a text that spells it with other spaces, case, punctuation or ligatures."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

_RUN = re.compile(r"[^\W_]+")
_LEADING = re.compile(r"^(?:(?!\s)[\W_])+")
_TRAILING = re.compile(r"[\W_]+$")
_SURE_CHARS = 20
"""From this many letters on a match needs no word boundary at its ends."""


class FoldedText:
    """A text reduced to its letters and digits, with the way back to its offsets."""

    def __init__(self, text: str, spans: Iterable[tuple[int, int]] | None = None) -> None:
        """Keep the text; it is folded when it is first searched, of `spans` alone if these are given."""
        self.text = text
        self._spans = [(0, len(text))] if spans is None else list(spans)

    @cached_property
    def _folding(self) -> tuple[str, list[int]]:
        return _fold(self.text, self._spans)

    @property
    def letters(self) -> str:
        """Lower-case letters and digits of the text, nothing between them."""
        return self._folding[0]

    def find(self, quotation: str) -> list[tuple[int, int]]:
        """Return the spans of the text, in order, whose letters are those of the quotation."""
        needle = fold(quotation)
        found: list[tuple[int, int]] = []
        if not needle:
            return found
        at = self.letters.find(needle)
        while at >= 0:
            span = self.span(at, at + len(needle))
            if len(needle) >= _SURE_CHARS or self._is_whole(span):
                found.append(self._with_edges(span, quotation.strip()))
            at = self.letters.find(needle, at + 1)
        return found

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the text that holds `letters[start:end]`, which must not be empty."""
        offsets = self._folding[1]
        return offsets[start], offsets[end - 1] + 1

    def _is_whole(self, span: tuple[int, int]) -> bool:
        start, end = span
        before = start == 0 or not self.text[start - 1].isalnum()
        return before and (end == len(self.text) or not self.text[end].isalnum())

    def _with_edges(self, span: tuple[int, int], quotation: str) -> tuple[int, int]:
        """Widen a span to punctuation at the quotation's ends that the text has there too, as in "12%"."""
        start, end = span
        leading, trailing = _LEADING.search(quotation), _TRAILING.search(quotation)
        if leading and self.text.endswith(leading[0], 0, start):
            start -= len(leading[0])
        at = end
        for mark in "".join(trailing[0].split()) if trailing else "":
            at = self._after_space(at)
            if self.text[at : at + 1] != mark:
                break
            end = at = at + 1
        return start, end

    def _after_space(self, at: int) -> int:
        while at < len(self.text) and self.text[at].isspace():
            at += 1
        return at


def fold(text: str) -> str:
    """Return the lower-case letters and digits of a text."""
    return _fold(text, [(0, len(text))])[0]


def _fold(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, list[int]]:
    letters: list[str] = []
    offsets: list[int] = []
    for run in (run for start, end in spans for run in _RUN.finditer(text, start, end)):
        word, start = run.group(), run.start()
        if word.isascii():
            letters.append(word.lower())
            offsets.extend(range(start, run.end()))
            continue
        for place, char in enumerate(word, start):
            plain = "".join(c for c in unicodedata.normalize("NFKD", char.casefold()) if c.isalnum())
            letters.append(plain)
            offsets.extend([place] * len(plain))
    return "".join(letters), offsets
