"""How many chunks hold each token, which says how much a token of a question tells."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TokenFrequencies:
    """Document frequencies of the tokens of a collection's chunks."""

    ids: NDArray[np.int64]
    """int64 (n,), ascending places in the tokenizer's vocabulary."""
    counts: NDArray[np.int64]
    """int64 (n,), how many chunks hold each."""
    n_chunks: int

    @classmethod
    def count(cls, ids: NDArray[np.int64], first: NDArray[np.int64]) -> "TokenFrequencies":
        """Count tokens, int64 (n_tokens,), of which chunk i has `first[i]` to `first[i + 1]`."""
        owners = np.repeat(np.arange(len(first) - 1), np.diff(first))
        n_ids = int(ids.max(initial=0)) + 1
        held = np.unique(owners * n_ids + ids) % n_ids  # one number for a chunk and a token, which sorts fast
        found, counts = np.unique(held, return_counts=True)
        return cls(found.astype(np.int64), counts.astype(np.int64), len(first) - 1)

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return in how many chunks each token lies, int64 (len(ids),)."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=np.int64)
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[places] == ids, self.counts[places], 0)

    def idf(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return float32 (len(ids),), above 0: BM25's inverse document frequency, as Lucene has it."""
        found = self.of(ids)
        return np.log1p((self.n_chunks - found + 0.5) / (found + 0.5)).astype(np.float32)

    def to_bytes(self) -> bytes:
        """Return the counts as bytes."""
        file = io.BytesIO()
        np.savez(file, ids=self.ids, counts=self.counts, n_chunks=np.int64(self.n_chunks))
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "TokenFrequencies":
        """Read what `to_bytes` wrote; the bytes have been authenticated before."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return cls(arrays["ids"], arrays["counts"], int(arrays["n_chunks"]))
