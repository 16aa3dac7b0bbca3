"""How far a span of a document says what a sentence says, without a language model."""

import re
import unicodedata
from collections.abc import Iterator

from rag.answering.rarity import Rarity
from rag.pairs.sentences import without_citations

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(r"\b(?:not|never|no|nor|cannot|without|neither)\b|n['\u2019]t\b", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,;:.!?()]|\bbut\b|\bhowever\b", re.IGNORECASE)
_CLAIMLESS = frozenset({"yes"})  # no is a stop word
_NEGATED_WORDS = 3
"""Content words after a negation that it is taken to deny."""


class Support:
    """Scores sentences against spans of one collection's documents."""

    def __init__(self, rarity: Rarity) -> None:
        self._rarity = rarity

    def of(self, sentence: str, span: str, question: str = "") -> float:
        """Return the share of a sentence's words, weighted by rarity, that a span holds: 0 to 1.

        It is 0 if the sentence has a figure that stands neither in the span nor in the question, or denies what the
        span affirms, or affirms what it denies. References to literature such as (11) are no figures.
        """
        said, given = without_citations(sentence), without_citations(span)
        if figures(said) - figures(given) - figures(question):
            return 0.0
        denied, denied_there = set(self._denied(said)), set(self._denied(given))
        if (denied - denied_there) & set(self._rarity.stems(given)):
            return 0.0
        if (denied_there - denied) & set(self._rarity.stems(said)):
            return 0.0
        return self.share(sentence, span, question)

    def share(self, sentence: str, span: str, question: str = "") -> float:
        """Return the share of a sentence's words alone; of a mere yes or no, the question's words."""
        said = {
            stem: w for stem, w in self._rarity.terms(without_citations(sentence)).items() if stem not in _CLAIMLESS
        }
        return self._rarity.coverage(said or self._rarity.terms(question), without_citations(span))

    def holds(self, sentence: str, span: str) -> bool:
        """Say whether a span has every word of a sentence but stop words, and denies nothing of it."""
        said, given = without_citations(sentence), without_citations(span)
        return self.of(said, given) > 0.0 and set(self._rarity.stems(said)) <= set(self._rarity.stems(given))

    def _denied(self, text: str) -> Iterator[str]:
        """Yield the stems that follow a negation within its clause."""
        for negation in _NEGATION.finditer(text):
            clause = _CLAUSE_END.split(text[negation.end() :], maxsplit=1)[0]
            yield from self._rarity.stems(clause)[:_NEGATED_WORDS]


def figures(text: str) -> set[str]:
    """Return the numbers of a text, without separators of thousands."""
    return {number.replace(",", "") for number in _NUMBER.findall(unicodedata.normalize("NFKC", text))}
