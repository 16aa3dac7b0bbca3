"""The vectors of texts that come again and again."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np

from rag.embedding.vectors import Vectors


class VectorCache:
    """Encodes texts, and remembers those asked for last; several threads may use it at once."""

    def __init__(self, encode: Callable[[Sequence[str]], Vectors], size: int) -> None:
        """Remember `size` vectors of what `encode` makes of texts, float32 (len(texts), dim)."""
        self._encode, self._size, self._lock = encode, size, Lock()
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim); what is new is encoded together, each text once."""
        if not texts:
            return self._encode(texts)
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            encoded = self._encode(new)
            known |= {text: vector.copy() for text, vector in zip(new, encoded, strict=True)}  # a view keeps its batch
        with self._lock:
            for text in known:
                self._vectors[text] = known[text]
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
        return np.stack([known[text] for text in texts])
