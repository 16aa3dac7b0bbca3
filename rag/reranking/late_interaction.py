"""Late interaction: each token of a question finds its best match in a chunk (MaxSim, Khattab and Zaharia 2020).

The token vectors are the tuned encoder's own, so this has no weights of its own and needs no training.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.embedding.vectors import Vectors
from rag.reranking.frequencies import TokenFrequencies
from rag.reranking.reranker import NearestWindows, TokenEncoder
from rag.reranking.token_vectors import ChunkTokens
from rag.retrieval.lexical import Scores


class TokenMatches(Protocol):
    """Where the tokens of chunks come from."""

    def best_matches(self, query: str, vectors: Vectors, chunks: NDArray[np.int64]) -> Vectors:
        """Return float32 (n_query_tokens, len(chunks)): each query token's largest inner product with a chunk's."""
        ...


class StoredTokens:
    """Looks the vectors of all of a chunk's tokens up."""

    def __init__(self, tokens: ChunkTokens) -> None:
        self._tokens = tokens

    def best_matches(self, query: str, vectors: Vectors, chunks: NDArray[np.int64]) -> Vectors:
        """Match all tokens of each chunk.

        :raises DimensionMismatch: if the encoder is not the one that built them.
        """
        return self._tokens.best_matches(vectors, chunks)


class EncodedWindows:
    """Encodes the nearest window of each chunk when it is asked: for collections whose tokens are too many to keep."""

    def __init__(self, nearest: NearestWindows, encoder: TokenEncoder) -> None:
        self._nearest, self._encoder = nearest, encoder

    def best_matches(self, query: str, vectors: Vectors, chunks: NDArray[np.int64]) -> Vectors:
        """Match the tokens of each chunk's nearest window."""
        best = np.zeros((len(vectors), len(chunks)), dtype=np.float32)
        windows = self._encoder.encode_tokens(self._nearest.texts(query, chunks), "document")
        for place, window in enumerate(windows):
            if len(window.ids):
                best[:, place] = (vectors @ window.vectors.T).max(axis=1)
        return best


class LateInteraction:
    """A reranker: the mean of the best matches of a question's tokens, weighted by how rare they are."""

    def __init__(self, encoder: TokenEncoder, matches: TokenMatches, frequencies: TokenFrequencies) -> None:
        self._encoder, self._matches, self._frequencies = encoder, matches, frequencies

    def scores(self, query: str, chunks: NDArray[np.int64]) -> Scores:
        """Return float32 (len(chunks),), at most about 1; zeros for a question without tokens."""
        tokens = self._encoder.encode_tokens([query], "query")[0]
        if not len(tokens.ids) or not len(chunks):
            return np.zeros(len(chunks), dtype=np.float32)
        weights = self._frequencies.idf(tokens.ids)
        best = self._matches.best_matches(query, tokens.vectors, chunks)
        return np.asarray(weights @ best / weights.sum(), dtype=np.float32)
