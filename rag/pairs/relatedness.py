"""Chunks that speak of the same rare things, and so can be compared."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from rag.corpus.document import Chunk
from rag.pairs.vocabulary import STOPWORDS
from rag.pairs.words import words

_MAX_HOLDERS = 25
"""Chunks that a word may stand in and still tell something; also bounds the work, which is quadratic in it."""
_PAIRS_A_CHUNK = 3
_NEAR_EQUAL = 0.9
"""Jaccard similarity of words from which two passages say the same, and there is nothing to compare."""


def related_pairs(chunks: Sequence[Chunk]) -> list[tuple[Chunk, Chunk]]:
    """Return pairs of chunks by how much they share of their rare words, the most first; a chunk is in few of them.

    Neighbours in a document overlap, so they make no pair. The order depends on the chunks alone.
    """
    bags = [
        frozenset(w for w in words(chunk.text) if w not in STOPWORDS and (len(w) > 2 or w.isdigit()))
        for chunk in chunks
    ]
    holders: dict[str, list[int]] = {}
    for place, bag in enumerate(bags):
        for word in bag:
            holders.setdefault(word, []).append(place)
    rarity = {word: math.log((len(chunks) + 1) / len(places)) for word, places in holders.items()}
    shared: dict[tuple[int, int], float] = {}
    for word, places in sorted(holders.items()):
        if 2 <= len(places) <= _MAX_HOLDERS:
            for pair in combinations(places, 2):
                shared[pair] = shared.get(pair, 0.0) + rarity[word] ** 2
    norms = [math.sqrt(math.fsum(rarity[word] ** 2 for word in bag)) or 1.0 for bag in bags]

    def order(pair: tuple[int, int]) -> tuple[float, str, str]:
        one, other = pair
        alike = shared[pair] / (norms[one] * norms[other])
        return -round(alike, 6), chunks[one].chunk_id, chunks[other].chunk_id  # rounding must not decide who is asked

    ranked = sorted(shared, key=order)
    return list(_spread((pair for pair in ranked if _comparable(*pair, chunks, bags)), chunks))


def _comparable(one: int, other: int, chunks: Sequence[Chunk], bags: Sequence[frozenset[str]]) -> bool:
    a, b = chunks[one], chunks[other]
    if a.doc_id == b.doc_id and abs(a.chunk_index - b.chunk_index) < 2:
        return False
    return len(bags[one] & bags[other]) < _NEAR_EQUAL * len(bags[one] | bags[other])


def _spread(pairs: Iterable[tuple[int, int]], chunks: Sequence[Chunk]) -> Iterable[tuple[Chunk, Chunk]]:
    taken: Counter[int] = Counter()
    for one, other in pairs:
        if max(taken[one], taken[other]) < _PAIRS_A_CHUNK:
            taken.update((one, other))
            yield chunks[one], chunks[other]
