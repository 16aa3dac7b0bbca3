"""How much each word of a text tells, in one collection: what many chunks hold says little."""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rag.retrieval.lexical import Analyzer

if TYPE_CHECKING:
    from rag.retrieval.index import Index

_WORD = re.compile(r"\w+")
_WORDS = 50_000
"""Words whose stem and rarity are kept."""


class Rarity:
    """Stems and inverse document frequencies of an index's words; several threads may use it at once."""

    def __init__(self, index: "Index") -> None:
        self._index, self._analyze = index, Analyzer()
        self._stem = lru_cache(_WORDS)(lambda word: next(iter(self._analyze(word)), ""))
        self.n_holding = lru_cache(_WORDS)(self._count)
        """Returns how many chunks hold a word."""
        self._weight = lru_cache(_WORDS)(self._look_up)

    def stems(self, text: str) -> list[str]:
        """Return the stems of a text, in order, without stop words."""
        return [stem for _, stem in self.words(text)]

    def terms(self, text: str) -> dict[str, float]:
        """Return what each stem of a text tells: 1 for one that at most one chunk holds, else less."""
        return {stem: self._weight(word) for word, stem in self.words(text)}

    def words(self, text: str) -> list[tuple[str, str]]:
        """Return the words of a text with their stems, in order, without stop words."""
        return [(word, stem) for word in _WORD.findall(text.lower()) if (stem := self._stem(word))]

    def coverage(self, terms: Mapping[str, float], text: str) -> float:
        """Return how much of the terms a text holds, by weight, 0 to 1; 0 if there are none."""
        total = sum(terms.values())
        return sum(terms[stem] for stem in terms.keys() & set(self.stems(text))) / total if total else 0.0

    def _count(self, word: str) -> int:
        return int(np.count_nonzero(self._index.words.scores(word)))

    def _look_up(self, word: str) -> float:
        n, holding = len(self._index.chunks), self.n_holding(word)
        return min(1.0, max(0.0, math.log((n + 1) / (holding + 0.5)) / math.log((n + 1) / 1.5)))
