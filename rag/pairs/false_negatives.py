"""Passages that answer the question all the same, told by their words."""

import re
from functools import lru_cache

from rag.retrieval.lexical import Analyzer

_CACHED_TEXTS = 65_536
_MASK = re.compile(r"<[A-Z]+_\d+>")


class PassageWords:
    """Compares texts by their stems and numbers, stop words aside; each text is analyzed once."""

    def __init__(self) -> None:
        self._analyze = Analyzer()
        self.stems = lru_cache(maxsize=_CACHED_TEXTS)(self._stems)

    def holds_answer(self, passage: str, answer: str) -> bool:
        """Say whether all content words and numbers of the answer stand in the passage; not so if it has none."""
        # What the answer had under a mask may be anything in a passage, which is not masked yet.
        wanted = self.stems(_MASK.sub(" ", answer))
        return bool(wanted) and wanted <= self.stems(passage)

    def near_duplicates(self, one: str, other: str, threshold: float) -> bool:
        """Say whether two passages share at least `threshold` of their stems (Jaccard)."""
        first, second = self.stems(one), self.stems(other)
        return len(first & second) >= threshold * len(first | second) if first | second else one == other

    def _stems(self, text: str) -> frozenset[str]:
        return frozenset(self._analyze(text))
