"""What re-scores the best chunks; apart from what does it, so that the type costs no import of torch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.retrieval.lexical import Scores

if TYPE_CHECKING:
    from rag.embedding.encoder import TokenVectors
    from rag.retrieval.index import Index


class Reranker(Protocol):
    """Scores the chunks of one index by their texts, more closely than a vector each can."""

    def scores(self, query: str, chunks: NDArray[np.int64]) -> Scores:
        """Return float32 (len(chunks),), higher is better, for chunks by their positions in the index."""
        ...


class TokenEncoder(Protocol):
    """What a reranker needs of an embedder."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 (len(texts), dim), L2-normalized."""
        ...

    def encode_tokens(self, texts: Sequence[str], prompt: Literal["query", "document"]) -> "list[TokenVectors]":
        """Return ids and float32 (n_tokens, dim), L2-normalized, of each text's own tokens."""
        ...


class NearestWindows:
    """The window of each chunk that is nearest a question: what a reranker reads where chunks are too long."""

    def __init__(self, index: "Index", encoder: TokenEncoder) -> None:
        self._index, self._encoder = index, encoder

    def texts(self, query: str, chunks: NDArray[np.int64]) -> list[str]:
        """Return the text of each chunk's nearest window."""
        vector = self._encoder.encode_queries([query])[0]
        _, windows = self._index.vectors.best_windows(vector, chunks)
        return [self._index.window_text(int(c), int(w)) for c, w in zip(chunks, windows, strict=True)]
