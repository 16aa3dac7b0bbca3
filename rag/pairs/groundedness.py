"""Whether an answer says what its evidence says: by its content words, and by each of its numbers."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rag.corpus.document import DocumentText
from rag.pairs.dropped import DroppedPair, DropReason, Filtered
from rag.pairs.pair import Origin, QueryPair
from rag.retrieval.lexical import Analyzer

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_CLAIMLESS = frozenset({"yes", "no"})
"""Words of an answer that no evidence holds."""


class Grounding(NamedTuple):
    """How much of an answer stands in its evidence."""

    share: float
    """Of its content words, by stem; 1 for an answer without any."""
    foreign_numbers: tuple[str, ...]
    """Numbers of the answer that the evidence does not hold."""

    def __str__(self) -> str:
        """Return it in a line."""
        foreign = f", not its {', '.join(self.foreign_numbers)}" if self.foreign_numbers else ""
        return f"{self.share:.0%} of the answer's words are in the evidence{foreign}"


class Groundedness:
    """Measures answers against their evidence."""

    def __init__(self) -> None:
        self._stems = Analyzer()

    def of(self, answer: str, evidence: str, question: str = "") -> Grounding:
        """Return the grounding of an answer; words of the question that it repeats count as grounded."""
        known = set(self._stems(_folded(f"{evidence}\n{question}")))
        said = [stem for stem in self._stems(_folded(answer)) if stem not in _CLAIMLESS]
        share = sum(stem in known for stem in said) / len(said) if said else 1.0
        given = _numbers(evidence) | _numbers(question)
        return Grounding(share, tuple(sorted(_numbers(answer) - given)))


def drop_ungrounded(
    pairs: Sequence[QueryPair], texts: Mapping[str, DocumentText], least: float
) -> tuple[Filtered, int]:
    """Drop the synthetic pairs whose answer shares too little with its evidence, or has a number of its own.

    Returns also how many others are so. They stay: a person who answers in other words makes no error. `texts` is by
    document id.
    """
    measure = Groundedness()
    kept: list[QueryPair] = []
    dropped: list[DroppedPair] = []
    n_paraphrased = 0
    for pair in pairs:
        evidence = "\n".join(texts[doc_id].text[start:end] for doc_id, start, end in pair.evidence)
        grounding = measure.of(pair.answer, evidence, pair.anchor)
        grounded = grounding.share >= least and not grounding.foreign_numbers
        if grounded or pair.origin is not Origin.SYNTHETIC:
            kept.append(pair)
            n_paraphrased += not grounded
        else:
            dropped.append(DroppedPair.of(pair, DropReason.UNGROUNDED, str(grounding)))
    return Filtered(kept, dropped), n_paraphrased


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _numbers(text: str) -> set[str]:
    """Return the numbers of a text, without separators of thousands."""
    return {number.replace(",", "") for number in _NUMBER.findall(_folded(text))}
