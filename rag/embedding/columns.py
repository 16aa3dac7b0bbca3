"""Query pairs -> the columns that a training reads: anchor, positive, negative_1 .. negative_n, and their margins."""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.config import EmbeddingConfig
from rag.pairs.pair import QueryPair

Teacher = Callable[[Sequence[tuple[str, str]]], NDArray[np.float32]]
"""Scores pairs of a question and a passage, as a cross-encoder does: float32 (pairs,)."""


def training_columns(pairs: Sequence[QueryPair], config: EmbeddingConfig) -> dict[str, list[str]]:
    """Return one text for each pair and column, by column.

    There are as many columns of negatives as the pair with most of them fills, `config.negatives` at most. What a pair
    lacks is filled with passages of other documents, as its batch gives it anyway: to repeat its own
    negatives would count them twice.
    """
    draw = random.Random(config.seed)
    anchors = [pair.anchor for pair in pairs]
    if config.shuffle_labels:
        draw.shuffle(anchors)
    mined = [[text for text in pair.negatives if text != pair.positive][: config.negatives] for pair in pairs]
    passages = _Passages(pairs, draw)
    widest = max if passages.fill else min
    width = widest(map(len, mined))
    columns = {"anchor": anchors, "positive": [pair.positive for pair in pairs]}
    for i in range(width):
        columns[f"negative_{i + 1}"] = [
            own[i] if i < len(own) else passages.far_from(pair.positive) for pair, own in zip(pairs, mined, strict=True)
        ]
    return columns


def margins(columns: Mapping[str, Sequence[str]], teacher: Teacher) -> NDArray[np.float32]:
    """Return how much higher each row's positive scores than each of its negatives: float32 (rows, negatives).

    The labels for distilling a cross-encoder into the embedder by margin MSE (Hofstaetter et al. 2020). `columns` hold
    one of negatives at least; a pair that stands in several places is scored once.
    """
    anchors, *passages = columns.values()
    rows = [list(zip(anchors, texts, strict=True)) for texts in passages]
    asked = list(dict.fromkeys(pair for column in rows for pair in column))
    scores = dict(zip(asked, teacher(asked), strict=True))
    positives, *negatives = np.array([[scores[pair] for pair in column] for column in rows], dtype=np.float32)
    return np.stack([positives - theirs for theirs in negatives], axis=1)


class _Passages:
    """The passages of all pairs by document, each text in one."""

    def __init__(self, pairs: Sequence[QueryPair], draw: random.Random) -> None:
        self._draw = draw
        self._document_of = {pair.positive: pair.document for pair in pairs}
        self._members: dict[str, list[str]] = defaultdict(list)
        for text, document in self._document_of.items():
            self._members[document].append(text)
        self._documents = list(self._members)
        self.fill = len(self._documents) > 1
        """Whether each passage has others that are far from it."""

    def far_from(self, passage: str) -> str:
        """Draw a passage of another document."""
        document = self._draw.choice(self._documents)
        while document == self._document_of[passage]:
            document = self._draw.choice(self._documents)
        return self._draw.choice(self._members[document])
