"""What keeps pairs honest: no question twice, and no training question that the evaluation set asks too."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from rag.errors import LeakFound
from rag.pairs.dropped import DroppedPair, DropReason, Filtered
from rag.pairs.pair import Origin, QueryPair
from rag.pairs.words import normalize, words

RANK = {Origin.REAL: 0, Origin.FEEDBACK: 1, Origin.SYNTHETIC: 2}
"""Which of two pairs with the same question stays: the one with the lower rank."""
_NEAR_EQUAL = 0.8
"""Jaccard similarity of words from which two questions may ask the same."""
_NAMED = 10
"""Leaking pairs that an error names."""


def deduplicate(pairs: Iterable[QueryPair]) -> Filtered:
    """Drop what asks the same words of the same document.

    A real question wins over one from feedback, and that over a synthetic one; else the first wins.
    """
    pairs = list(pairs)
    winners: dict[tuple[str, str], int] = {}
    for place, pair in enumerate(pairs):
        holder = winners.setdefault(_key(pair), place)
        if RANK[pair.origin] < RANK[pairs[holder].origin]:
            winners[_key(pair)] = place
    kept = set(winners.values())
    dropped = []
    for place, pair in enumerate(pairs):
        if place not in kept:
            winner = pairs[winners[_key(pair)]]
            dropped.append(DroppedPair.of(pair, DropReason.DUPLICATE, f"{winner.origin}: {winner.anchor}"))
    return Filtered([pairs[place] for place in sorted(kept)], dropped)


def drop_leaks(train: Sequence[QueryPair], evaluation: Sequence[QueryPair]) -> Filtered:
    """Drop the training (or validation) pairs that touch an evaluation pair.

    A pair leaks if its question is equal or nearly equal to one of the evaluation set, or its group is evaluated.
    """
    leaking = _leaks(train, evaluation)
    dropped = [DroppedPair.of(train[place], DropReason.LEAK, touches) for place, touches in leaking.items()]
    return Filtered([pair for place, pair in enumerate(train) if place not in leaking], dropped)


def assert_no_leak(train: Sequence[QueryPair], evaluation: Sequence[QueryPair]) -> None:
    """Stop a run whose training or validation pairs touch the evaluation set.

    :raises LeakFound: with the ids of the pairs that leak, and of what each touches.
    """
    leaking = [f"{train[place].id} ({touches})" for place, touches in _leaks(train, evaluation, ids=True).items()]
    if leaking:
        more = f" and {len(leaking) - _NAMED} more" if len(leaking) > _NAMED else ""
        raise LeakFound(
            f"{len(leaking)} training pairs touch the evaluation set: {', '.join(leaking[:_NAMED])}{more}: "
            "drop them or split the documents again"
        )


def _leaks(train: Sequence[QueryPair], evaluation: Sequence[QueryPair], ids: bool = False) -> dict[int, str]:
    """Return the places in `train` of the pairs that leak, with what each touches: in words, or by id alone."""
    groups = {pair.group for pair in evaluation}
    asked = _AskedQuestions(pair.anchor for pair in evaluation)
    leaking: dict[int, str] = {}
    for place, pair in enumerate(train):
        alike = asked.alike(pair.anchor)
        if alike is not None:
            other = evaluation[alike]
            leaking[place] = f"asks what {other.id} asks" if ids else f"evaluated: {other.anchor}"
        elif pair.group in groups:
            leaking[place] = f"of the evaluated group {pair.group}"
    return leaking


class _AskedQuestions:
    """Questions found by their rarest words (prefix filtering): sets as alike as asked for must share one of those."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._sets = [frozenset(words(question)) for question in questions]
        self._counts = Counter(word for bag in self._sets for word in bag)
        self._by_word: dict[str, list[int]] = {}
        for place, bag in enumerate(self._sets):
            for word in self._prefix(bag):
                self._by_word.setdefault(word, []).append(place)

    def alike(self, question: str) -> int | None:
        """Return the place of the first question that asks the same, if any."""
        bag = frozenset(words(question))
        seen: set[int] = set()
        for word in self._prefix(bag):
            seen.update(self._by_word.get(word, ()))
        return next((place for place in sorted(seen) if _asks_the_same(bag, self._sets[place])), None)

    def _prefix(self, bag: frozenset[str]) -> list[str]:
        length = len(bag) - math.ceil(_NEAR_EQUAL * len(bag)) + 1
        return sorted(bag, key=lambda word: (self._counts[word], word))[:length]


def _asks_the_same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Say whether one question is the other with a few words more.

    Another word in a place, such as the name of a near-alike product, asks for something else.
    """
    return (one <= other or other <= one) and jaccard(one, other) >= _NEAR_EQUAL


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of all words of two sets that stand in both, 0 for two empty ones."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _key(pair: QueryPair) -> tuple[str, str]:
    return normalize(pair.anchor), pair.doc_id
