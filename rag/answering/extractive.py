"""The generator that needs no model but the encoder: the best sentences of the passages, quoted and cited."""

import math
import re
from collections import Counter
from collections.abc import Generator as Iteration
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.answering.answer import Way
from rag.answering.generator import Ending, Passage, Request, Unsuited
from rag.answering.spans import is_heading, sentences
from rag.answering.support import figures
from rag.config import AnsweringConfig
from rag.embedding.vector_cache import VectorCache
from rag.retrieval.lexical import Analyzer

_WORDS, _BEFORE, _PASSAGE, _FIGURE, _FRAGMENT = 1.8, 0.5, 1.5, 0.5, -0.3
"""What counts beside the cosine of question and sentence: the words that they share, those that the sentence before
shares, the passage's score, a figure where one is asked for, and being short. Fitted to 694 questions of covidqa's
training articles (the first sentence meets the answer in .65 of them, .40 by the cosine alone)."""
_ENCODED = 20
"""Sentences that are encoded, the best by all else; more than 12 changed nothing, and take time."""
_KEPT = 20_000
"""Sentences whose vectors are kept, in about 40 MB."""
_LEAST_WORDS = 6
"""Words of a sentence that may stand for itself; a figure does with fewer."""
_FURTHER = 0.9
"""Share of the best sentence's score that a further one must reach."""
_REPEATED = 0.6
"""Share of a sentence's words that one quoted before may hold, at most."""
_ASKS_FIGURE = re.compile(
    r"^(?:how (?:many|much|long|far|often|old|large|big|high|fast|likely)|when|what .*(?:pay|cost)|"
    r"(?:what|which) (?:(?:is|was) the )?(?:percent|proportion|number|year|rate|temperature|price|size|length|date))",
    re.IGNORECASE,
)


class SentenceEncoder(Protocol):
    """What is needed of an embedder."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (len(texts), dim), L2-normalized."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (len(texts), dim), L2-normalized."""
        ...


class Quotable(NamedTuple):
    """A sentence that may be quoted."""

    passage: Passage
    place: int
    text: str
    stems: frozenset[str]
    before: frozenset[str]
    """Of the sentence before it."""
    score: float = 0.0
    """How well it answers; of what is ranked together, it alone can be compared."""


class ExtractiveGenerator:
    """Quotes the best sentence, and others of nearly its worth; several threads may use it at once."""

    name = "extractive"
    way = Way.RAG

    def __init__(self, encoder: SentenceEncoder, config: AnsweringConfig) -> None:
        self._encoder, self._stems, self._config = encoder, Analyzer(), config
        self._sentences = VectorCache(encoder.encode_passages, _KEPT)

    def generate(self, request: Request) -> Iteration[str, None, Ending]:
        """Yield the sentences, each with its mark: the best first, the others by passage as they stand there."""
        ranked = self.ranked(request)
        before = ""
        for chosen in self._chosen(ranked):
            yield f"{before}{chosen.text} [{chosen.passage.number}]"
            before = " "
        return Ending()

    def ranked(self, request: Request) -> list[Quotable]:
        """Return the sentences of the passages that answer best, the best first.

        :raises Unsuited: if there is none.
        """
        candidates = self._candidates(request.passages)
        if not candidates:
            raise Unsuited("the passages hold no whole sentence")
        scores = self._scores(candidates, request.standing)
        likely = np.argsort(-scores, kind="stable")[:_ENCODED]
        candidates, scores = [candidates[place] for place in likely], scores[likely]
        scores += (
            self._sentences.encode([each.text for each in candidates])
            @ self._encoder.encode_queries([request.standing])[0]
        )
        return [candidates[place]._replace(score=scores[place]) for place in np.argsort(-scores, kind="stable")]

    def close(self) -> None:
        """Give nothing back: the encoder is the retriever's."""

    def _candidates(self, passages: Sequence[Passage]) -> list[Quotable]:
        """Return the sentences that may be quoted; what overlapping passages share, once."""
        found: dict[str, Quotable] = {}
        for passage in passages:
            text, before = passage.hit.chunk.text, frozenset[str]()
            for place, sentence in enumerate(sentences(text)):
                stems = frozenset(self._stems(sentence.text))
                if sentence.text and not is_heading(text[sentence.start : sentence.end]):
                    found.setdefault(sentence.text, Quotable(passage, place, sentence.text, stems, before))
                before = stems
        return list(found.values())

    def _scores(self, candidates: Sequence[Quotable], question: str) -> NDArray[np.float64]:
        """Return float64 (len(candidates),): what counts beside the cosine."""
        n, holding = len(candidates), Counter(stem for each in candidates for stem in each.stems)
        asked = {stem: math.log((n + 1) / (holding[stem] + 0.5)) for stem in self._stems(question)}
        total = max(sum(asked.values()), 1e-9)
        asks_figure, scores = bool(_ASKS_FIGURE.search(question)), []
        for each in candidates:
            own, before = (sum(asked[stem] for stem in asked.keys() & stems) for stems in (each.stems, each.before))
            figure = bool(figures(each.text) - figures(question))
            short = not figure and len(each.text.split()) < _LEAST_WORDS
            score = (_WORDS * own + _BEFORE * before) / total + _PASSAGE * each.passage.hit.score
            scores.append(score + _FRAGMENT * short + _FIGURE * (figure and asks_figure))
        return np.array(scores)

    def _chosen(self, ranked: Sequence[Quotable]) -> list[Quotable]:
        best = ranked[0]
        chosen, said = [best], set(best.stems)
        for each in ranked[1:]:
            if len(chosen) >= self._config.max_sentences or each.score < _FURTHER * best.score:
                break
            if len(each.stems & said) <= _REPEATED * len(each.stems):
                chosen.append(each)
                said |= each.stems
        return [best, *sorted(chosen[1:], key=lambda one: (one.passage != best.passage, one.passage.number, one.place))]
