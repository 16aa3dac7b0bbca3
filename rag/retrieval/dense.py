"""Nearest windows by inner product, in FAISS; a chunk scores as its best window."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.config import IndexConfig
from rag.embedding.vectors import Vectors
from rag.errors import DimensionMismatch
from rag.retrieval.lexical import Scores

MAX_DIM = 8192
EXACT_SCAN = 20_000
"""So few allowed windows are compared one by one, also in an approximate index, and so many at a time."""
LINKS, BUILD_DEPTH, SEARCH_DEPTH = 32, 80, 256
"""Of HNSW: links of a vector, and candidates that are kept while linking and while searching."""
PROBED_SHARE = 1 / 8
"""Of IVF: share of the cells that a search looks into."""

_reading = Lock()
"""FAISS has one set of limits for all threads."""


class WindowVectors:
    """Unit vectors of windows; the windows of a chunk lie together."""

    def __init__(self, index: faiss.Index, first_window: NDArray[np.int64]) -> None:
        self._index = index
        self._first = first_window
        """int64 (n_chunks + 1,): the windows of chunk i are `first[i]` to `first[i + 1]`."""
        self._owner = np.repeat(np.arange(len(first_window) - 1), np.diff(first_window))

    @classmethod
    def build(
        cls, vectors: Vectors, windows_per_chunk: Sequence[int], config: IndexConfig | None = None
    ) -> "WindowVectors":
        """Index float32 (sum(windows_per_chunk), dim), in the way that `config` wants for so many."""
        n, dim = vectors.shape
        index = faiss.index_factory(dim, factory_string(n, config or IndexConfig()), faiss.METRIC_INNER_PRODUCT)
        if isinstance(index, faiss.IndexHNSW):
            index.hnsw.efConstruction = BUILD_DEPTH
        index.train(vectors)
        index.add(vectors)
        _prepare(index)
        return cls(index, _first_windows(windows_per_chunk))

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
        owners = self._owner[self._nearest(query, n_windows, None if chunks is None else self._windows_of(chunks))]
        _, first_seen = np.unique(owners, return_index=True)
        return np.asarray(owners[np.sort(first_seen)])

    def best_windows(self, query: Vectors, chunks: NDArray[np.int64]) -> tuple[Scores, NDArray[np.int64]]:
        """Return float32 (len(chunks),), the best inner product over each chunk's windows, and which window has it.

        :raises DimensionMismatch: as `nearest_chunks`.
        """
        self._check(query)
        products = self._products(query, self._windows_of(chunks))
        ends = np.cumsum(self._first[chunks + 1] - self._first[chunks])
        own = np.split(products, ends[:-1]) if len(chunks) else []
        windows = np.array([each.argmax() for each in own], dtype=np.int64)
        return np.array([each.max() for each in own], dtype=np.float32), windows

    def best_vectors(self, query: Vectors, chunks: NDArray[np.int64]) -> Vectors:
        """Return float32 (len(chunks), dim), the vector of each chunk's best window.

        :raises DimensionMismatch: as `nearest_chunks`.
        """
        _, windows = self.best_windows(query, chunks)
        return np.asarray(self._index.reconstruct_batch(self._first[chunks] + windows), dtype=np.float32)

    def to_bytes(self) -> bytes:
        """Return the FAISS index as bytes."""
        return bytes(faiss.serialize_index(self._index).tobytes())

    @classmethod
    def from_bytes(cls, data: bytes, windows_per_chunk: Sequence[int]) -> "WindowVectors":
        """Read what `to_bytes` wrote; the bytes have been authenticated before.

        :raises DimensionMismatch: if the vectors are not as many as the windows.
        """
        n_windows = sum(windows_per_chunk)
        with _reading:
            faiss.set_deserialization_vector_byte_limit(len(data))
            faiss.set_deserialization_loop_limit(max(n_windows, 1024))
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        if index.ntotal != n_windows or not 0 < index.d <= MAX_DIM:
            raise DimensionMismatch(
                f"the index holds {index.ntotal} vectors of {index.d} for {n_windows} windows: "
                "build the index again with `ragloop retrain`"
            )
        _prepare(index)
        return cls(index, _first_windows(windows_per_chunk))

    def _nearest(self, query: Vectors, n: int, allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
        """Return the n nearest windows, best first, or all the allowed ones if fewer."""
        n = min(n, self._index.ntotal if allowed is None else len(allowed))
        if n == 0:
            return np.empty(0, dtype=np.int64)
        if allowed is None:
            return self._search(query, n, None)
        if len(allowed) > EXACT_SCAN:
            found = self._search(query, n, faiss.IDSelectorBatch(allowed))
            if len(found) == n:
                return found
        # The paths of a graph, or the cells that are looked into, may miss all that is allowed.
        return np.asarray(allowed[np.argsort(-self._products(query, allowed), kind="stable")[:n]])

    def _search(self, query: Vectors, n: int, allowed: Any) -> NDArray[np.int64]:
        of: Any = faiss
        parameters = of.SearchParameters(sel=allowed)
        if isinstance(self._index, faiss.IndexHNSW):
            parameters = of.SearchParametersHNSW(sel=allowed, efSearch=max(SEARCH_DEPTH, n))
        elif isinstance(self._index, faiss.IndexIVF):
            probes = max(1, round(self._index.nlist * PROBED_SHARE))
            parameters = of.SearchParametersIVF(sel=allowed, nprobe=probes)
        _, windows = self._index.search(query[None, :], n, params=parameters)
        return np.asarray(windows[0][windows[0] >= 0])

    def _products(self, query: Vectors, windows: NDArray[np.int64]) -> Scores:
        """Return float32 (len(windows),), inner products with the query."""
        blocks = [windows[first : first + EXACT_SCAN] for first in range(0, len(windows), EXACT_SCAN)]
        products = [self._index.reconstruct_batch(block) @ query for block in blocks]
        return np.concatenate(products) if products else np.empty(0, dtype=np.float32)

    def _windows_of(self, chunks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the windows of some chunks, in the order of these."""
        first, count = self._first[chunks], self._first[chunks + 1] - self._first[chunks]
        before = np.cumsum(count) - count
        return np.repeat(first - before, count) + np.arange(count.sum())

    def _check(self, query: Vectors) -> None:
        if query.shape != (self.dim,):
            raise DimensionMismatch(
                f"the index has dim {self.dim}, the embedder {query.shape[-1]}: build the index with this embedder"
            )


def factory_string(n_windows: int, config: IndexConfig) -> str:
    """Return how so many windows are indexed, in the words of FAISS's index factory.

    Exact; as a graph (HNSW, Malkov and Yashunin 2020); or in cells, a byte for each number (IVF, SQ8).
    """
    if n_windows < config.graph_from:
        return "Flat"
    if n_windows < config.compressed_from:
        return f"HNSW{LINKS},Flat"
    return f"IVF{round(4 * n_windows**0.5)},SQ8"


def _first_windows(windows_per_chunk: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(windows_per_chunk)]).astype(np.int64)


def _prepare(index: faiss.Index) -> None:
    """Let single vectors be read back."""
    if isinstance(index, faiss.IndexIVF):
        index.make_direct_map()
