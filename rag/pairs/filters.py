"""What keeps pairs honest: no question twice, and no training question that the evaluation set asks too."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from rag.errors import LeakFound
from rag.pairs.pair import Origin, QueryPair
from rag.pairs.words import normalize, words

_NEAR_EQUAL = 0.8
"""Jaccard similarity of words from which two questions may ask the same."""
_RANK = {Origin.REAL: 0, Origin.FEEDBACK: 1, Origin.SYNTHETIC: 2}


def deduplicate(pairs: Iterable[QueryPair]) -> tuple[list[QueryPair], list[QueryPair]]:
    """Return the pairs kept, in order, and those dropped: the same words asked of the same document.

    A real question wins over one from feedback, and that over a synthetic one; else the first wins.
    """
    pairs = list(pairs)
    winners: dict[tuple[str, str], int] = {}
    for place, pair in enumerate(pairs):
        key = normalize(pair.anchor), pair.doc_id
        holder = winners.setdefault(key, place)
        if _RANK[pair.origin] < _RANK[pairs[holder].origin]:
            winners[key] = place
    kept = set(winners.values())
    return [pairs[place] for place in sorted(kept)], [p for place, p in enumerate(pairs) if place not in kept]


def drop_leaks(train: Sequence[QueryPair], evaluation: Sequence[QueryPair]) -> tuple[list[QueryPair], int]:
    """Return the training (or validation) pairs that touch no evaluation pair, and how many did.

    A pair leaks if its question is equal or nearly equal to one of the evaluation set, or its group is evaluated.
    """
    leaking = _leaks(train, evaluation)
    return [pair for place, pair in enumerate(train) if place not in leaking], len(leaking)


def assert_no_leak(train: Sequence[QueryPair], evaluation: Sequence[QueryPair]) -> None:
    """Stop a run whose training or validation pairs touch the evaluation set.

    :raises LeakFound: with the ids of the pairs that leak.
    """
    leaking = [train[place].id for place in sorted(_leaks(train, evaluation))]
    if leaking:
        more = f" and {len(leaking) - 5} more" if len(leaking) > 5 else ""
        raise LeakFound(
            f"{len(leaking)} training pairs touch the evaluation set ({', '.join(leaking[:5])}{more}): "
            "drop them or split the documents again"
        )


def _leaks(train: Sequence[QueryPair], evaluation: Sequence[QueryPair]) -> set[int]:
    """Return the places in `train` of the pairs that leak."""
    groups = {pair.group for pair in evaluation}
    asked = _AskedQuestions(pair.anchor for pair in evaluation)
    return {place for place, pair in enumerate(train) if pair.group in groups or asked.has_alike(pair.anchor)}


class _AskedQuestions:
    """Questions found by their rarest words (prefix filtering): sets as alike as asked for must share one of those."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._sets = [frozenset(words(question)) for question in questions]
        self._counts = Counter(word for bag in self._sets for word in bag)
        self._by_word: dict[str, list[int]] = {}
        for place, bag in enumerate(self._sets):
            for word in self._prefix(bag):
                self._by_word.setdefault(word, []).append(place)

    def has_alike(self, question: str) -> bool:
        bag = frozenset(words(question))
        seen: set[int] = set()
        for word in self._prefix(bag):
            seen.update(self._by_word.get(word, ()))
        return any(_asks_the_same(bag, self._sets[place]) for place in seen)

    def _prefix(self, bag: frozenset[str]) -> list[str]:
        length = len(bag) - math.ceil(_NEAR_EQUAL * len(bag)) + 1
        return sorted(bag, key=lambda word: (self._counts[word], word))[:length]


def _asks_the_same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Say whether one question is the other with a few words more.

    Another word in a place, such as the name of a near-alike product, asks for something else.
    """
    return (one <= other or other <= one) and _jaccard(one, other) >= _NEAR_EQUAL


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
