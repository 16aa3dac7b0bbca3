"""Documents that are nearly the same text, so that no two of them end up in different splits."""

import zlib
from collections.abc import Mapping

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray
from tqdm import tqdm

from rag.pairs.words import words

_SHINGLE_WORDS = 5
_PERMUTATIONS = 128
_SLACK = 0.15
"""How far below the threshold candidates are looked for, since MinHash only estimates what is then verified."""


def near_duplicate_groups(texts: Mapping[str, str], threshold: float) -> dict[str, str]:
    """Group documents (by id) whose 5-word shingles overlap by at least `threshold` (Jaccard), directly or in a chain.

    Returns the group of each document, which is the smallest id in it. A text without words is alone in its group.
    """
    shingles: dict[str, NDArray[np.uint64]] = {}
    parent = {doc_id: doc_id for doc_id in texts}
    lsh = MinHashLSH(threshold=min(0.95, max(0.05, threshold - _SLACK)), num_perm=_PERMUTATIONS)
    for doc_id in tqdm(sorted(texts), desc="near-duplicates", delay=2, disable=None):
        own = _shingles(texts[doc_id])
        if not own.size:
            continue
        sketch = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
        sketch.update_batch(own.tolist())
        for other in lsh.query(sketch):
            if _jaccard(own, shingles[other]) >= threshold:
                _join(parent, doc_id, other)
        lsh.insert(doc_id, sketch)
        shingles[doc_id] = own
    return {doc_id: _root(parent, doc_id) for doc_id in texts}


def _shingles(text: str) -> NDArray[np.uint64]:
    """Return the distinct 32-bit hashes of the text's runs of five words, sorted."""
    hashes = np.array([zlib.crc32(word.encode()) for word in words(text)], dtype=np.uint64)
    size = min(_SHINGLE_WORDS, len(hashes))
    if not size:
        return hashes
    mixed = np.zeros(len(hashes) - size + 1, dtype=np.uint64)
    for place in range(size):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + hashes[place : place + len(mixed)]
    return np.unique(mixed >> np.uint64(32))


def _jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    shared = np.intersect1d(one, other, assume_unique=True).size
    return float(shared / (one.size + other.size - shared))


def _root(parent: dict[str, str], doc_id: str) -> str:
    while parent[doc_id] != doc_id:
        parent[doc_id] = parent[parent[doc_id]]
        doc_id = parent[doc_id]
    return doc_id


def _join(parent: dict[str, str], one: str, other: str) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first
