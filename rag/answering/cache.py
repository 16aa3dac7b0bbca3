"""Answers that were given before, for one release of one collection, in memory alone."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import numpy as np

from rag.answering.answer import Answer, Question
from rag.answering.sampling import Sampling
from rag.answering.support import figures
from rag.embedding.vectors import Vectors

_COMPOUND = re.compile(r"[^\s?!.,;:]+")


class _Setting(NamedTuple):
    """What must be equal for one question to have the answer of another."""

    release_id: int
    documents: tuple[str, ...]
    history: str
    """Its digest: a conversation may be long."""
    sampling: Sampling


class _Kept(NamedTuple):
    answer: Answer
    vector: Vectors | None


class AnswerCache:
    """The answers that were asked for last. One engine serves one collection, so access to that is access to these."""

    def __init__(self, entries: int, encode: Callable[[str], Vectors], cosine: float | None = None) -> None:
        """Keep so many; from `cosine` on, another question that means the same has the same answer.

        `encode` gives a question's vector, float32 (dim,), L2-normalized.
        """
        self._entries, self._encode, self._cosine, self._lock = entries, encode, cosine, Lock()
        self._kept: OrderedDict[tuple[_Setting, str], _Kept] = OrderedDict()

    def get(self, question: Question, release_id: int) -> Answer | None:
        """Return the answer that a question had before, under its old id."""
        setting, words = _setting(question, release_id), normalized(question.text)
        with self._lock:
            if kept := self._kept.get((setting, words)):
                self._kept.move_to_end((setting, words))
                return kept.answer
            near = [(key, kept) for key, kept in self._kept.items() if key[0] == setting and kept.vector is not None]
        if self._cosine is None or not near:
            return None
        cosines = np.array([kept.vector for _, kept in near]) @ self._encode(question.text)
        best = int(cosines.argmax())
        (_, other), kept = near[best]
        return kept.answer if cosines[best] >= self._cosine and _names_the_same(other, words) else None

    def put(self, question: Question, answer: Answer) -> None:
        """Keep an answer in place of those that were not asked for longest."""
        if not self._entries:
            return
        vector = None if self._cosine is None else self._encode(question.text)
        with self._lock:
            self._kept[_setting(question, answer.release_id), normalized(question.text)] = _Kept(answer, vector)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)


def normalized(text: str) -> str:
    """Return a question without differences of case and white space; every other character tells, as in C++ and C#."""
    return " ".join(text.casefold().split())


def _setting(question: Question, release_id: int) -> _Setting:
    history = "\n".join(f"{turn.role}: {normalized(turn.content)}" for turn in question.history)
    said = hashlib.sha256(history.encode()).hexdigest()
    return _Setting(release_id, tuple(sorted(question.documents)), said, question.sampling)


def _names_the_same(one: str, other: str) -> bool:
    """Say whether two questions have the same figures and names such as L-14: vectors hardly tell those apart."""
    named = ({word for word in _COMPOUND.findall(text) if re.search(r"[\d+#]", word)} for text in (one, other))
    return figures(one) == figures(other) and len({frozenset(each) for each in named}) == 1
