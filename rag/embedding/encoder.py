"""Texts -> unit vectors, the same way in mining, training, evaluation and serving."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from rag.embedding.vectors import Vectors

_SHARD = 256
"""Passages between two moves of the progress bar; all are sorted by length before, which saves padding."""


def native_bf16_cpu() -> bool:
    """Say whether this CPU multiplies bfloat16 in hardware, where it halves the time (measured: cosine .9999)."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def load_sentence_transformer(folder: Path, query_prompt: str) -> SentenceTransformer:
    """Load a model folder on the best device, with the prompt that its queries get."""
    disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = SentenceTransformer(str(folder), device=device, local_files_only=True)
    model.prompts = {"query": query_prompt, "document": ""}
    return model


class Encoder:
    """A sentence encoder for queries and passages."""

    def __init__(self, folder: Path, query_prompt: str = "", batch_size: int = 64) -> None:
        self._model: Any = load_sentence_transformer(folder, query_prompt)
        self._batch_size = batch_size
        if self._model.device.type == "cuda":
            self._model.half()
        elif native_bf16_cpu():
            self._model.bfloat16()
        self.dim: int = self._model.get_embedding_dimension()

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized, each text behind the query prompt."""
        return self._encode(texts, "query")

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized."""
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        with tqdm(total=len(texts), desc="encoding", unit="passage", delay=2, disable=None) as bar:
            for first in range(0, len(texts), _SHARD):
                shard = by_length[first : first + _SHARD]
                vectors[shard] = self._encode([texts[i] for i in shard], "document")
                bar.update(len(shard))
        return vectors

    def _encode(self, texts: Sequence[str], prompt: str) -> Vectors:
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        vectors = self._model.encode(
            list(texts),
            prompt_name=prompt,
            batch_size=self._batch_size,
            convert_to_tensor=True,
            show_progress_bar=False,
        )
        vectors = torch.nn.functional.normalize(vectors.float(), dim=1)
        return np.ascontiguousarray(vectors.cpu().numpy(), dtype=np.float32)
