"""Questions put together by topic: one that stands for it, its words, and how many ask."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from rag.embedding.vectors import Vectors
from rag.monitoring.traffic import Asked
from rag.pairs.words import words
from rag.retrieval.lexical import Analyzer

WORDS = 5
"""Shown of a topic."""


class Topic(BaseModel):
    """Questions that mean about the same."""

    model_config = ConfigDict(frozen=True)

    people: int
    questions: int
    unanswered: int
    """Of the questions: the documents were taken not to answer them."""
    judged_wrong: int
    """Of the questions: somebody said that the answer was wrong."""
    question: str | None
    """The one that is nearest to all others; None where no text may be shown."""
    words: tuple[str, ...]
    """That many of its questions and few others hold; none where no text may be shown."""

    def without_text(self) -> "Topic":
        """Return its counts alone."""
        return self.model_copy(update={"question": None, "words": ()})


def topics(
    asked: Sequence[Asked], texts: Mapping[str, str], vectors: Mapping[str, Vectors], cosine: float
) -> list[Topic]:
    """Return the topics of questions, those that most people ask about first.

    :param texts: of the questions, by id; of those that are not in it nothing is known any more.
    :param vectors: of the questions, by id, each float32 (dim,), L2-normalized.
    :param cosine: the mean cosine that questions of one topic have at least.
    """
    known = [each for each in asked if each.id in texts and each.id in vectors]
    if not known:
        return []
    of_each = np.stack([vectors[each.id] for each in known])
    labels = grouped(of_each, cosine)
    telling = _Telling([texts[each.id] for each in known])
    found = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        own = [known[place] for place in places]
        middle = own[_medoid(of_each[places])]
        found.append(
            Topic(
                people=len({each.person for each in own}),
                questions=len(own),
                unanswered=sum(each.found is False for each in own),
                judged_wrong=sum(each.judged_wrong for each in own),
                question=texts[middle.id],
                words=telling.words([texts[each.id] for each in own]),
            )
        )
    return sorted(found, key=lambda topic: (-topic.people, -topic.questions, topic.question))


def grouped(vectors: Vectors, cosine: float) -> NDArray[np.int64]:
    """Return the group of each vector, from 0; groups merge while their mean cosine is no less (average linkage)."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    merged = linkage(np.maximum(pdist(vectors, "cosine"), 0), "average")
    return np.asarray(fcluster(merged, 1 - cosine, "distance"), dtype=np.int64) - 1


class _Telling:
    """The words that set some of the questions apart from the others, by how many hold them (class-based TF-IDF)."""

    def __init__(self, questions: Sequence[str]) -> None:
        from bm25s.stopwords import STOPWORDS_EN_PLUS

        self._analyze, self._stop_words = Analyzer(), frozenset(STOPWORDS_EN_PLUS)
        self._n = len(questions)
        self._holding = Counter(stem for question in questions for stem in self._stems(question))

    def words(self, questions: Sequence[str]) -> tuple[str, ...]:
        """Return the most telling words, each in its commonest form."""
        forms: dict[str, Counter[str]] = {}
        for question in questions:
            for stem, form in self._stems(question).items():
                forms.setdefault(stem, Counter())[form] += 1
        weight = {
            stem: own.total() * np.log1p((self._n - self._holding[stem] + 0.5) / (self._holding[stem] + 0.5))
            for stem, own in forms.items()
        }
        best = sorted(forms, key=lambda stem: (-weight[stem], stem))[:WORDS]
        return tuple(forms[stem].most_common(1)[0][0] for stem in best)

    def _stems(self, question: str) -> dict[str, str]:
        """Return the stems of a question without stop words, each with a word that has it."""
        told = (word for word in words(question) if word not in self._stop_words)
        return {stem: word for word in told for stem in self._analyze(word)}


def _medoid(vectors: Vectors) -> int:
    """Return the place of the vector that is nearest to all others."""
    return int((vectors @ vectors.sum(axis=0)).argmax())
