"""Which words match: BM25 (Robertson and Walker 1994) over a list of texts."""

import io
import json
import logging
import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from rag.errors import ConfigError

Scores = NDArray[np.float32]

_WORD = re.compile(r"\w+(?:[-.]\w+)*")
_K1, _B = 1.5, 0.75
_PAIR_BUCKETS = 2**22


class Lexical(Protocol):
    """A lexical index that scores all its texts for a query."""

    def scores(self, query: str) -> Scores:
        """Return float32 (n_texts,), 0 where no word matches."""
        ...

    def to_bytes(self) -> bytes:
        """Return the index as bytes without pickle."""
        ...


class Analyzer:
    """Text -> stems. A compound such as `L-14` counts whole and in its parts."""

    def __init__(self) -> None:
        import Stemmer
        from bm25s.stopwords import STOPWORDS_EN

        self._stemmer = Stemmer.Stemmer("english")
        self._stopwords = frozenset(STOPWORDS_EN)

    def __call__(self, text: str) -> list[str]:
        """Return the stems of a text in order, without stop words."""
        words: list[str] = []
        for word in _WORD.findall(text.lower()):
            parts = re.split(r"[-.]", word)
            words.extend(parts if len(parts) == 1 else [word, *parts])
        stems: list[str] = self._stemmer.stemWords([w for w in words if w not in self._stopwords])
        return stems


class PairAnalyzer(Analyzer):
    """Text -> pairs of neighbouring stems, hashed, so that the vocabulary of a large collection stays bounded."""

    def __call__(self, text: str) -> list[str]:
        """Return the hashed pairs in order."""
        return [f"{crc32(' '.join(pair).encode()) % _PAIR_BUCKETS:x}" for pair in pairwise(super().__call__(text))]


class Bm25s:
    """BM25 with scores computed when the index is built (Lu 2024)."""

    def __init__(self, engine: Any, vocabulary: dict[str, int], n_texts: int, analyze: Analyzer) -> None:
        self._engine, self._vocabulary, self._n_texts, self._analyze = engine, vocabulary, n_texts, analyze

    @classmethod
    def build(cls, texts: Sequence[str], analyze: Analyzer | None = None) -> "Bm25s":
        """Index what `analyze` makes of the texts: their stems, unless given."""
        bm25s = _quiet_bm25s()
        analyze = analyze or Analyzer()
        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(t, len(vocabulary)) for t in analyze(text)] for text in texts]
        engine = bm25s.BM25(k1=_K1, b=_B)
        if vocabulary:
            engine.index((ids, vocabulary), show_progress=False, create_empty_token=False)
        return cls(engine, vocabulary, len(texts), analyze)

    def scores(self, query: str) -> Scores:
        """Return float32 (n_texts,)."""
        ids = [self._vocabulary[t] for t in self._analyze(query) if t in self._vocabulary]
        if not ids:
            return np.zeros(self._n_texts, dtype=np.float32)
        return np.asarray(self._engine.get_scores_from_ids(ids), dtype=np.float32)

    def to_bytes(self) -> bytes:
        """Return arrays and vocabulary as one npz."""
        arrays = self._engine.scores if self._vocabulary else {}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            vocabulary=np.frombuffer(json.dumps(self._vocabulary).encode(), dtype=np.uint8),
            n_texts=np.array(self._n_texts),
            **{name: arrays[name] for name in ("data", "indices", "indptr") if name in arrays},
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, analyze: Analyzer | None = None) -> "Bm25s":
        """Read what `to_bytes` wrote, to be asked through the same `analyze`."""
        bm25s = _quiet_bm25s()
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            vocabulary = json.loads(arrays["vocabulary"].tobytes())
            n_texts = int(arrays["n_texts"])
            engine = bm25s.BM25(k1=_K1, b=_B)
            if vocabulary:
                engine.scores = {name: arrays[name] for name in ("data", "indices", "indptr")}
                engine.scores["num_docs"] = n_texts
                engine.nonoccurrence_array = None
                engine.vocab_dict = vocabulary
                engine.unique_token_ids_set = set(vocabulary.values())
        return cls(engine, vocabulary, n_texts, analyze or Analyzer())


class _Okapi(BM25Okapi):  # type: ignore[misc]
    """rank-bm25 with the idf of Lucene, as bm25s has it: its own gives common words that of no word in particular."""

    def _calc_idf(self, nd: dict[str, int]) -> None:
        self.idf = {word: math.log(1 + (self.corpus_size - df + 0.5) / (df + 0.5)) for word, df in nd.items()}


class RankBm25:
    """BM25 by rank-bm25: no index on disk but the words, for small collections and as a reference."""

    def __init__(self, words: Sequence[Sequence[str]], analyze: Analyzer) -> None:
        self._words, self._analyze = words, analyze
        self._engine = _Okapi([list(w) for w in words], k1=_K1, b=_B) if any(words) else None

    @classmethod
    def build(cls, texts: Sequence[str], analyze: Analyzer | None = None) -> "RankBm25":
        """Index what `analyze` makes of the texts: their stems, unless given."""
        analyze = analyze or Analyzer()
        return cls([analyze(text) for text in texts], analyze)

    def scores(self, query: str) -> Scores:
        """Return float32 (n_texts,)."""
        if self._engine is None:
            return np.zeros(len(self._words), dtype=np.float32)
        scores = self._engine.get_scores(self._analyze(query)) / (_K1 + 1)  # a factor that bm25s leaves out
        return np.asarray(scores, dtype=np.float32)

    def to_bytes(self) -> bytes:
        """Return the words of each text as JSON."""
        return json.dumps(self._words).encode()

    @classmethod
    def from_bytes(cls, data: bytes, analyze: Analyzer | None = None) -> "RankBm25":
        """Read what `to_bytes` wrote, to be asked through the same `analyze`."""
        return cls(json.loads(data), analyze or Analyzer())


def _quiet_bm25s() -> Any:
    """Return the package; it sets its own log level to DEBUG when it is imported."""
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return bm25s


_ENGINES: dict[str, type[Bm25s] | type[RankBm25]] = {"bm25s": Bm25s, "rank-bm25": RankBm25}


def lexical_engine(name: str) -> type[Bm25s] | type[RankBm25]:
    """Return the class of a lexical engine.

    :raises ConfigError: if there is none of that name.
    """
    if name not in _ENGINES:
        raise ConfigError(f"no lexical engine {name!r}: choose one of {', '.join(_ENGINES)}")
    return _ENGINES[name]
