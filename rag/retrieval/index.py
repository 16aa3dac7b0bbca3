"""What is searched: vectors of windows, words of chunks and of windows, and the chunks themselves, sealed together."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.config import IndexConfig
from rag.corpus.document import Chunk
from rag.embedding.vectors import Vectors
from rag.errors import EmptyCorpus
from rag.retrieval.dense import WindowVectors
from rag.retrieval.lexical import Lexical, PairAnalyzer, Scores, lexical_engine

VECTORS, METADATA, DOC_VERSIONS = "faiss_index.encrypted", "metadata.encrypted", "doc_versions.encrypted"
WORDS, WINDOW_WORDS = "bm25_chunks.encrypted", "bm25_windows.encrypted"
PHRASES, WINDOW_PHRASES = "bm25_chunk_phrases.encrypted", "bm25_window_phrases.encrypted"


@dataclass(frozen=True)
class Index:
    """One searchable collection."""

    chunks: tuple[Chunk, ...]
    windows: tuple[tuple[tuple[int, int], ...], ...]
    """For each chunk the character spans, in its text, of its windows."""
    doc_versions: dict[str, str]
    """Document name -> id of the version that is indexed."""
    vectors: WindowVectors
    words: Lexical
    window_words: Lexical
    phrases: Lexical
    window_phrases: Lexical
    lexical_engine: str

    def lexical_scores(self, query: str, phrase_weight: float) -> Scores:
        """Return float32 (n_chunks,): BM25 of a chunk plus that of its best window, so that a tight match counts.

        Pairs of neighbouring words count beside the words themselves (sequential dependence, Metzler and Croft 2005).
        """
        scores = self._chunk_and_window(query, self.words, self.window_words)
        if phrase_weight:
            scores = scores + phrase_weight * self._chunk_and_window(query, self.phrases, self.window_phrases)
        return scores

    @cached_property
    def windows_per_chunk(self) -> int:
        """The most windows that a chunk has."""
        return max(len(spans) for spans in self.windows)

    @cached_property
    def _first_windows(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(spans) for spans in self.windows[:-1])], dtype=np.int64)

    def _chunk_and_window(self, query: str, chunks: Lexical, windows: Lexical) -> Scores:
        return chunks.scores(query) + np.maximum.reduceat(windows.scores(query), self._first_windows)

    def window_text(self, chunk: int, window: int) -> str:
        """Return the text of a chunk's window, by their positions."""
        start, end = self.windows[chunk][window]
        return self.chunks[chunk].text[start:end]

    def chunks_of(self, documents: Sequence[str]) -> NDArray[np.int64]:
        """Return the positions of all chunks of the named documents."""
        wanted = set(documents)
        return np.array([i for i, c in enumerate(self.chunks) if c.document in wanted], dtype=np.int64)

    def to_files(self) -> dict[str, bytes]:
        """Return the files of an index release; the caller seals them."""
        metadata = {
            "lexical_engine": self.lexical_engine,
            "windows": self.windows,
            "chunks": [c.model_dump() for c in self.chunks],
        }
        return {
            VECTORS: self.vectors.to_bytes(),
            METADATA: json.dumps(metadata).encode(),
            DOC_VERSIONS: json.dumps(self.doc_versions).encode(),
            WORDS: self.words.to_bytes(),
            WINDOW_WORDS: self.window_words.to_bytes(),
            PHRASES: self.phrases.to_bytes(),
            WINDOW_PHRASES: self.window_phrases.to_bytes(),
        }

    @classmethod
    def from_files(cls, read: Callable[[str], bytes], names: Collection[str]) -> "Index":
        """Load an index; `read` opens and authenticates one file by name, of those that are there."""
        metadata: dict[str, Any] = json.loads(read(METADATA))
        engine = lexical_engine(metadata["lexical_engine"])
        windows = tuple(tuple((start, end) for start, end in spans) for spans in metadata["windows"])
        chunks = tuple(Chunk.model_construct(**c) for c in metadata["chunks"])

        def phrases(name: str, texts: Callable[[], list[str]]) -> Lexical:
            # An index from before they were kept.
            if name not in names:
                return engine.build(texts(), PairAnalyzer())
            return engine.from_bytes(read(name), PairAnalyzer())

        return cls(
            chunks=chunks,
            windows=windows,
            doc_versions=json.loads(read(DOC_VERSIONS)),
            vectors=WindowVectors.from_bytes(read(VECTORS), [len(spans) for spans in windows]),
            words=engine.from_bytes(read(WORDS)),
            window_words=engine.from_bytes(read(WINDOW_WORDS)),
            phrases=phrases(PHRASES, lambda: [chunk.text for chunk in chunks]),
            window_phrases=phrases(WINDOW_PHRASES, lambda: _window_texts(chunks, windows)),
            lexical_engine=metadata["lexical_engine"],
        )


def build_index(
    chunks: Sequence[Chunk], windows: Sequence[Sequence[tuple[int, int]]], vectors: Vectors, config: IndexConfig
) -> Index:
    """Index chunks by the vectors of their windows, float32 (n_windows, dim), and by their words and their windows'.

    :raises EmptyCorpus: if there are no chunks.
    """
    if not chunks:
        raise EmptyCorpus("no chunks to index: ingest documents first with `ragloop ingest PATH`")
    texts = _window_texts(chunks, windows)
    engine = lexical_engine(config.lexical_engine)
    return Index(
        chunks=tuple(chunks),
        windows=tuple(map(tuple, windows)),
        doc_versions={c.document: c.doc_id for c in chunks},
        vectors=WindowVectors.build(vectors, [len(own) for own in windows], config),
        words=engine.build([c.text for c in chunks]),
        window_words=engine.build(texts),
        phrases=engine.build([c.text for c in chunks], PairAnalyzer()),
        window_phrases=engine.build(texts, PairAnalyzer()),
        lexical_engine=config.lexical_engine,
    )


def _window_texts(chunks: Sequence[Chunk], windows: Sequence[Sequence[tuple[int, int]]]) -> list[str]:
    return [chunk.text[start:end] for chunk, own in zip(chunks, windows, strict=True) for start, end in own]
