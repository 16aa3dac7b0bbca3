"""Questions asked twice in nearly the same words: found by MinHash (Broder 1997), then verified word by word."""

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from datasketch import MinHash, MinHashLSH

from rag.pairs.dropped import DroppedPair, DropReason, Filtered
from rag.pairs.filters import RANK, jaccard
from rag.pairs.pair import QueryPair
from rag.pairs.words import words

_BANDS, _ROWS = 16, 4
"""Two questions of similarity s meet with a chance of 1 - (1 - s^4)^16: .9998 at .8, .988 at .7."""

_NEGATIONS = frozenset("no non not nor never without except".split())


def drop_near_duplicates(pairs: Sequence[QueryPair], threshold: float) -> Filtered:
    """Drop what a pair of the same document asks already, in words that overlap by at least `threshold` (Jaccard).

    A real question wins over one from feedback, and that over a synthetic one; else the first wins.
    """
    by_document: dict[str, list[int]] = {}
    for place in sorted(range(len(pairs)), key=lambda place: (RANK[pairs[place].origin], place)):
        by_document.setdefault(pairs[place].doc_id, []).append(place)
    repeats: dict[int, int] = {}
    for places in by_document.values():
        repeats |= _repeats([(place, pairs[place]) for place in places], threshold)
    dropped = []
    for place in sorted(repeats):
        first = pairs[repeats[place]]
        dropped.append(DroppedPair.of(pairs[place], DropReason.NEAR_DUPLICATE, f"{first.origin}: {first.anchor}"))
    return Filtered([pair for place, pair in enumerate(pairs) if place not in repeats], dropped)


def _repeats(ranked: Iterable[tuple[int, QueryPair]], threshold: float) -> dict[int, int]:
    """Return, by place, which earlier pair that is kept each repeated pair of one document repeats."""
    lsh = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
    kept: dict[int, _Question] = {}
    repeats: dict[int, int] = {}
    for place, pair in ranked:
        question = _Question(words(pair.anchor), pair.answer_start, pair.answer_end)
        sketch = MinHash(num_perm=_BANDS * _ROWS, hashfunc=int)
        sketch.update_batch([zlib.crc32(word.encode()) for word in set(question.words)])
        first = next((p for p in sorted(lsh.query(sketch)) if _asks_the_same(question, kept[p], threshold)), None)
        if first is None:
            lsh.insert(place, sketch)
            kept[place] = question
        else:
            repeats[place] = first
    return repeats


class _Question(NamedTuple):
    words: list[str]
    start: int
    end: int


def _asks_the_same(one: _Question, other: _Question, threshold: float) -> bool:
    """Say whether two questions of a document that share most words ask the same.

    Not if their numbers, codes or negations differ. Questions about different evidence must be one with words added to
    the other: another word in a place, such as a product's name, asks for something else.
    """
    if jaccard(frozenset(one.words), frozenset(other.words)) < threshold or _deciding(one) != _deciding(other):
        return False
    return _same_evidence(one, other) or _within(one.words, other.words) or _within(other.words, one.words)


def _deciding(question: _Question) -> set[str]:
    return {word for word in question.words if word in _NEGATIONS or any(char.isdigit() for char in word)}


def _same_evidence(one: _Question, other: _Question) -> bool:
    """Say whether the spans share at least half of the shorter one."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    return 2 * shared >= min(one.end - one.start, other.end - other.start)


def _within(shorter: Sequence[str], longer: Sequence[str]) -> bool:
    """Say whether the words of one stand in the other in the same order."""
    left = iter(longer)
    return all(word in left for word in shorter)
