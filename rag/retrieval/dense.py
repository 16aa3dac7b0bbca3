"""Nearest windows by inner product, in FAISS; a chunk scores as its best window."""

from collections.abc import Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.embedding.vectors import Vectors
from rag.errors import DimensionMismatch
from rag.retrieval.lexical import Scores

MAX_DIM = 8192


class WindowVectors:
    """Unit vectors of windows; the windows of a chunk lie together."""

    def __init__(self, index: faiss.Index, first_window: NDArray[np.int64]) -> None:
        self._index = index
        self._first = first_window
        """int64 (n_chunks + 1,): the windows of chunk i are `first[i]` to `first[i + 1]`."""
        self._owner = np.repeat(np.arange(len(first_window) - 1), np.diff(first_window))

    @classmethod
    def build(cls, vectors: Vectors, windows_per_chunk: Sequence[int]) -> "WindowVectors":
        """Index float32 (sum(windows_per_chunk), dim)."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls(index, np.concatenate([[0], np.cumsum(windows_per_chunk)]).astype(np.int64))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    def nearest_chunks(
        self, query: Vectors, n_windows: int, chunks: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Return the chunks of the nearest `n_windows` windows, best first, among `chunks` if given.

        :raises DimensionMismatch: if the query, float32 (dim,), is of another length than the index.
        """
        self._check(query)
        parameters = None
        if chunks is not None:
            allowed = np.concatenate([np.arange(self._first[c], self._first[c + 1]) for c in chunks])
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(allowed))  # type: ignore[call-arg]
        k = min(n_windows, self._index.ntotal)
        _, windows = self._index.search(query[None, :], k, params=parameters)
        owners = self._owner[windows[0][windows[0] >= 0]]
        _, first_seen = np.unique(owners, return_index=True)
        return np.asarray(owners[np.sort(first_seen)])

    def best_windows(self, query: Vectors, chunks: NDArray[np.int64]) -> tuple[Scores, NDArray[np.int64]]:
        """Return float32 (len(chunks),), the best inner product over each chunk's windows, and which window has it.

        :raises DimensionMismatch: as `nearest_chunks`.
        """
        self._check(query)
        scores, windows = np.empty(len(chunks), dtype=np.float32), np.empty(len(chunks), dtype=np.int64)
        for place, chunk in enumerate(chunks):
            first, end = int(self._first[chunk]), int(self._first[chunk + 1])
            products = self._index.reconstruct_n(first, end - first) @ query
            windows[place] = products.argmax()
            scores[place] = products[windows[place]]
        return scores, windows

    def to_bytes(self) -> bytes:
        """Return the FAISS index as bytes."""
        return bytes(faiss.serialize_index(self._index).tobytes())

    @classmethod
    def from_bytes(cls, data: bytes, windows_per_chunk: Sequence[int]) -> "WindowVectors":
        """Read what `to_bytes` wrote; the bytes have been authenticated before.

        :raises DimensionMismatch: if the vectors are not as many as the windows.
        """
        index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        if index.ntotal != sum(windows_per_chunk) or not 0 < index.d <= MAX_DIM:
            raise DimensionMismatch(
                f"the index holds {index.ntotal} vectors of {index.d} for {sum(windows_per_chunk)} windows: "
                "build the index again with `ragloop retrain`"
            )
        return cls(index, np.concatenate([[0], np.cumsum(windows_per_chunk)]).astype(np.int64))

    def _check(self, query: Vectors) -> None:
        if query.shape != (self.dim,):
            raise DimensionMismatch(
                f"the index has dim {self.dim}, the embedder {query.shape[-1]}: build the index with this embedder"
            )
