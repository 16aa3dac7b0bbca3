"""What is searched: vectors of windows, words of chunks and of windows, and the chunks themselves, sealed together."""

import json
from collections.abc import Callable, Sequence
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
from rag.retrieval.lexical import Lexical, Scores, lexical_engine

VECTORS, METADATA, DOC_VERSIONS, WORDS, WINDOW_WORDS = (
    "faiss_index.encrypted",
    "metadata.encrypted",
    "doc_versions.encrypted",
    "bm25_chunks.encrypted",
    "bm25_windows.encrypted",
)


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
    lexical_engine: str

    def lexical_scores(self, query: str) -> Scores:
        """Return float32 (n_chunks,): BM25 of a chunk plus that of its best window, so that a tight match counts."""
        return self.words.scores(query) + np.maximum.reduceat(self.window_words.scores(query), self._first_windows)

    @cached_property
    def windows_per_chunk(self) -> int:
        """The most windows that a chunk has."""
        return max(len(spans) for spans in self.windows)

    @cached_property
    def _first_windows(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(spans) for spans in self.windows[:-1])], dtype=np.int64)

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
        }

    @classmethod
    def from_files(cls, read: Callable[[str], bytes]) -> "Index":
        """Load an index; `read` opens and authenticates one file by name."""
        metadata: dict[str, Any] = json.loads(read(METADATA))
        engine = lexical_engine(metadata["lexical_engine"])
        windows = tuple(tuple((start, end) for start, end in spans) for spans in metadata["windows"])
        return cls(
            chunks=tuple(Chunk.model_construct(**c) for c in metadata["chunks"]),
            windows=windows,
            doc_versions=json.loads(read(DOC_VERSIONS)),
            vectors=WindowVectors.from_bytes(read(VECTORS), [len(spans) for spans in windows]),
            words=engine.from_bytes(read(WORDS)),
            window_words=engine.from_bytes(read(WINDOW_WORDS)),
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
    texts = [chunk.text[start:end] for chunk, own in zip(chunks, windows, strict=True) for start, end in own]
    engine = lexical_engine(config.lexical_engine)
    return Index(
        chunks=tuple(chunks),
        windows=tuple(map(tuple, windows)),
        doc_versions={c.document: c.doc_id for c in chunks},
        vectors=WindowVectors.build(vectors, [len(own) for own in windows]),
        words=engine.build([c.text for c in chunks]),
        window_words=engine.build(texts),
        lexical_engine=config.lexical_engine,
    )
