"""The vectors of all tokens of all chunks, compressed: each token once, a byte a dimension, fewer dimensions if wanted.

After ColBERT (Khattab and Zaharia 2020); the compression is a projection that keeps inner products (PCA without
centring) and one int8 scale for each vector.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rag.config import RerankingConfig
from rag.embedding.vectors import Vectors
from rag.errors import DimensionMismatch
from rag.reranking.frequencies import TokenFrequencies
from rag.reranking.reranker import TokenEncoder

if TYPE_CHECKING:
    from rag.embedding.encoder import TokenVectors

Span = tuple[int, int]
_FITTED_ON = 20_000
"""Token vectors that a projection is fitted on, taken evenly over the collection."""
_MIN_CHUNKS = 20
"""Below, the share of chunks that hold a token says nothing about the token."""


@dataclass(frozen=True)
class ChunkTokens:
    """Compressed token vectors; the tokens of a chunk lie together."""

    ids: NDArray[np.int32]
    """int32 (n_tokens,), places in the tokenizer's vocabulary."""
    codes: NDArray[np.int8]
    """int8 (n_tokens, dims)."""
    scales: NDArray[np.float16]
    """float16 (n_tokens,): a vector is its codes times its scale."""
    first: NDArray[np.int64]
    """int64 (n_chunks + 1,): the tokens of chunk i are `first[i]` to `first[i + 1]`."""
    projection: NDArray[np.float32] | None = None
    """float32 (dim, dims), if the vectors were projected."""

    @classmethod
    def encode(cls, texts: Sequence[str], windows: Sequence[Sequence[Span]], encoder: TokenEncoder) -> "ChunkTokens":
        """Encode chunks window by window, as `joined` keeps them."""
        spans = [text[a:b] for text, own in zip(texts, windows, strict=True) for a, b in own]
        return cls.joined(texts, windows, encoder.encode_tokens(spans, "document"))

    @classmethod
    def joined(
        cls, texts: Sequence[str], windows: Sequence[Sequence[Span]], encoded: "Iterable[TokenVectors]"
    ) -> "ChunkTokens":
        """Compress the encoded windows of chunks; where these overlap, a token is kept from the first that holds it."""
        ids: list[NDArray[np.int64]] = []
        parts: list[tuple[NDArray[np.int8], NDArray[np.float16]]] = []
        left = iter(encoded)
        for text, spans in zip(texts, windows, strict=True):
            chunk_ids, vectors = _join(text, spans, [next(left) for _ in spans])
            ids.append(chunk_ids)
            parts.append(_quantize(vectors))
        return cls(
            ids=np.concatenate(ids).astype(np.int32),
            codes=np.concatenate([codes for codes, _ in parts]),
            scales=np.concatenate([scales for _, scales in parts]),
            first=np.cumsum([0, *map(len, ids)], dtype=np.int64),
        )

    @classmethod
    def concatenate(cls, shards: Sequence["ChunkTokens"]) -> "ChunkTokens":
        """Join shards that were compressed alike, in order."""
        ends = np.cumsum([0, *(len(shard.ids) for shard in shards)])
        starts = [shard.first[:-1] + end for shard, end in zip(shards, ends, strict=False)]
        return cls(
            ids=np.concatenate([shard.ids for shard in shards]),
            codes=np.concatenate([shard.codes for shard in shards]),
            scales=np.concatenate([shard.scales for shard in shards]),
            first=np.concatenate([*starts, ends[-1:]]).astype(np.int64),
            projection=shards[0].projection,
        )

    @property
    def dim(self) -> int:
        """Length of the encoder's vectors, before any projection."""
        return int(self.codes.shape[1] if self.projection is None else self.projection.shape[0])

    @property
    def n_bytes(self) -> int:
        """Size in memory."""
        return self.ids.nbytes + self.codes.nbytes + self.scales.nbytes + self.first.nbytes

    def frequencies(self) -> TokenFrequencies:
        """Return how many chunks hold each token."""
        return TokenFrequencies.count(self.ids.astype(np.int64), self.first)

    def without_common(self, frequencies: TokenFrequencies, max_share: float) -> "ChunkTokens":
        """Leave out the tokens that more than this share of the chunks hold: stop words and punctuation.

        After static pruning (Lassance et al. 2021), told by frequency so that it fits any language. A chunk that would
        lose all keeps all, and so does a collection of a few chunks.
        """
        if max_share >= 1 or frequencies.n_chunks < _MIN_CHUNKS:
            return self
        kept = frequencies.of(self.ids.astype(np.int64)) <= max_share * frequencies.n_chunks
        owners = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        left = np.bincount(owners, weights=kept, minlength=len(self.first) - 1)
        kept |= left[owners] == 0
        sizes = np.bincount(owners[kept], minlength=len(self.first) - 1)
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return ChunkTokens(self.ids[kept], self.codes[kept], self.scales[kept], first, self.projection)

    def projected(self, dims: int) -> "ChunkTokens":
        """Project to the `dims` directions that keep most of the inner products; 0, or not fewer, changes nothing."""
        if not 0 < dims < self.codes.shape[1]:
            return self
        sample = np.linspace(0, len(self.ids) - 1, min(_FITTED_ON, len(self.ids))).astype(np.int64)
        vectors = self._vectors(sample)
        _, directions = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
        projection = np.ascontiguousarray(directions[:, ::-1][:, :dims], dtype=np.float32)
        parts = [_quantize(self._vectors(rows) @ projection) for rows in _blocks(len(self.ids))]
        codes, scales = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return ChunkTokens(self.ids, codes, scales, self.first, projection)

    def best_matches(self, query: Vectors, chunks: NDArray[np.int64]) -> Vectors:
        """Return float32 (n_query_tokens, len(chunks)): each query token's largest inner product with a chunk's tokens.

        A chunk without tokens gets 0.

        :raises DimensionMismatch: if the query's vectors, float32 (n_query_tokens, dim), are of another length.
        """
        if query.shape[1] != self.dim:
            raise DimensionMismatch(
                f"the token vectors have dim {self.dim}, the embedder {query.shape[1]}: build them with this embedder"
            )
        best = np.zeros((len(query), len(chunks)), dtype=np.float32)
        spans = [(int(self.first[chunk]), int(self.first[chunk + 1])) for chunk in chunks]
        filled = [place for place, (start, end) in enumerate(spans) if end > start]
        if not filled or not len(query):
            return best
        own = [slice(*spans[place]) for place in filled]
        wanted = query if self.projection is None else query @ self.projection
        products = wanted @ np.concatenate([self.codes[rows] for rows in own]).astype(np.float32).T
        products *= np.concatenate([self.scales[rows] for rows in own]).astype(np.float32)
        begins = np.cumsum([0, *(rows.stop - rows.start for rows in own[:-1])])
        best[:, filled] = np.maximum.reduceat(products, begins, axis=1)
        return best

    def to_bytes(self) -> bytes:
        """Return the arrays as bytes."""
        arrays: dict[str, Any] = {name: array for name, array in vars(self).items() if array is not None}
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "ChunkTokens":
        """Read what `to_bytes` wrote; the bytes have been authenticated before."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(**arrays)

    def _vectors(self, rows: NDArray[np.int64] | slice) -> Vectors:
        return np.asarray(self.codes[rows].astype(np.float32) * self.scales[rows].astype(np.float32)[:, None])


def stored_dims(n_tokens: int, config: RerankingConfig) -> int | None:
    """Return how many dimensions of so many tokens' vectors are stored: 0 for all, None if none are."""
    if n_tokens <= config.max_whole_tokens:
        return 0
    return config.projected_dims if n_tokens <= config.max_stored_tokens else None


def _join(text: str, spans: Sequence[Span], encoded: "Sequence[TokenVectors]") -> "tuple[NDArray[np.int64], Vectors]":
    """Join a chunk's windows; each gives the tokens that the one before did not hold."""
    ids, vectors = [encoded[0].ids], [encoded[0].vectors]
    for (_, end), (start, stop), before, own in zip(spans, spans[1:], encoded, encoded[1:], strict=False):
        share = max(0, end - start) / max(1, stop - start)
        seen = _shared(before.ids, own.ids, share * len(own.ids))
        ids.append(own.ids[seen:])
        vectors.append(own.vectors[seen:])
    return np.concatenate(ids), np.concatenate(vectors)


def _shared(before: NDArray[np.int64], ids: NDArray[np.int64], expected: float) -> int:
    """Return how many of the first tokens are the last of the window before; `expected` is told by their characters.

    Told by the tokens themselves, so that it holds for any tokenizer, and nothing is lost where a window was cut short.
    """
    if expected == 0:
        return 0
    lengths = range(max(1, int(expected / 2)), min(len(before), len(ids)) + 1)
    alike = [n for n in lengths if np.array_equal(before[-n:], ids[:n])]
    return min(alike, key=lambda n: abs(n - expected), default=0)


def _quantize(vectors: Vectors) -> tuple[NDArray[np.int8], NDArray[np.float16]]:
    """Return int8 codes, as `vectors`, and the float16 scale of each row."""
    scales = np.maximum(np.abs(vectors).max(axis=1, initial=0) / 127, 1e-6).astype(np.float16)
    codes = np.rint(vectors / scales.astype(np.float32)[:, None])
    return np.clip(codes, -127, 127).astype(np.int8), scales


def _blocks(n: int, size: int = 50_000) -> Iterator[slice]:
    for begin in range(0, max(n, 1), size):
        yield slice(begin, begin + size)
