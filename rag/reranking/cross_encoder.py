"""A cross-encoder: question and passage read together, one score (Nogueira and Cho 2019)."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import sentence_transformers
import torch
from numpy.typing import NDArray
from transformers.utils.logging import disable_progress_bar

from rag.embedding.encoder import native_bf16_cpu
from rag.loading import one_at_a_time
from rag.reranking.reranker import NearestWindows
from rag.retrieval.lexical import Scores


@one_at_a_time
def load_cross_encoder(folder: Path, max_seq_length: int | None = None) -> Any:
    """Load sentence-transformers' CrossEncoder on the best device, in full precision, as training wants it."""
    disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return sentence_transformers.CrossEncoder(
        str(folder), device=device, local_files_only=True, max_length=max_seq_length
    )


class CrossEncoder:
    """Scores pairs of a question and a passage; several threads may use it at once."""

    def __init__(self, folder: Path, max_seq_length: int | None = None, batch_size: int = 32) -> None:
        self._model = load_cross_encoder(folder, max_seq_length)
        self._batch_size = batch_size
        # The library sets padding and truncation in its tokenizer anew for each call.
        self._lock = Lock()
        # The head stays in float32: bfloat16 has so few digits that near scores would tie.
        self._model.set_keep_in_fp32_modules(_heads(self._model))
        if self._model.device.type == "cuda":
            self._model.half()
        elif native_bf16_cpu():
            self._model.bfloat16()

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> Scores:
        """Return float32 (len(pairs),), the logits; batches are sorted by length, which saves padding."""
        with self._lock:
            scores = self._model.predict(
                list(pairs), batch_size=self._batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False
            )
        return np.asarray(scores, dtype=np.float32)


def _heads(model: Any) -> list[str]:
    """Return the names of the layers that give the score."""
    return [name for name, part in model.named_modules() if type(part) is torch.nn.Linear and part.out_features == 1]


class CrossEncoderReranker:
    """A reranker: the score of the question with each chunk's nearest window."""

    def __init__(self, model: CrossEncoder, nearest: NearestWindows) -> None:
        self._model, self._nearest = model, nearest

    def scores(self, query: str, chunks: NDArray[np.int64]) -> Scores:
        """Return float32 (len(chunks),), logits."""
        return self._model.score_pairs([(query, text) for text in self._nearest.texts(query, chunks)])
