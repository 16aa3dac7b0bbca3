"""Texts -> unit vectors, the same way in mining, training, evaluation and serving."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tqdm import tqdm

from rag.embedding.vector_cache import VectorCache
from rag.embedding.vectors import Vectors
from rag.loading import one_at_a_time

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Prompt = Literal["query", "document"]
Unit = Literal["text", "token"]
Ids = NDArray[np.int64]
OUTPUTS: dict[Unit, str] = {"text": "sentence_embedding", "token": "token_embeddings"}
"""What sentence-transformers calls them."""
_QUERIES = 4096
"""Whose vectors are remembered."""


class TokenVectors(NamedTuple):
    """A text by its tokens, without special tokens and without those of a prompt."""

    ids: Ids
    """int64 (n_tokens,), places in the tokenizer's vocabulary."""
    vectors: Vectors
    """float32 (n_tokens, dim), each L2-normalized."""


class Batch(NamedTuple):
    """Token ids of some texts, padded to the longest; both are int64 (n_texts, n_tokens)."""

    ids: Ids
    mask: Ids


class Network(Protocol):
    """An encoder's layers, on whatever runs them; several threads may use it at once."""

    tokenizer: Tokenizer
    """Cuts a text off at the length that the network reads."""
    dim: int

    def run(self, batches: Iterable[Batch], units: Sequence[Unit]) -> Iterator[tuple[NDArray[np.float32], ...]]:
        """Yield for each batch, in order, float32 (n_texts, dim) per text, (n_texts, n_tokens, dim) per token."""
        ...

    def batch_size(self, n_tokens: int) -> int:
        """Return how many texts of that length are encoded together."""
        ...


class Encoder:
    """A sentence encoder for queries and passages; several threads may use it at once."""

    def __init__(
        self, folder: Path, query_prompt: str = "", batch_size: int = 64, network: Network | None = None
    ) -> None:
        """Open a sentence-transformers folder, unless its `network` is given."""
        self._network = network or TorchNetwork(folder, batch_size)
        self._prompts: dict[Prompt, str] = {"query": query_prompt, "document": ""}
        self._queries = VectorCache(lambda texts: self._encode(texts, "query"), _QUERIES)
        self.dim: int = self._network.dim

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized, each text behind the query prompt."""
        return self._queries.encode(texts)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized."""
        return self._encode(texts, "document")

    def encode_tokens(self, texts: Sequence[str], prompt: Prompt) -> list[TokenVectors]:
        """Return the vectors of each text's tokens, read behind the prompt, for late interaction (Khattab 2020)."""
        found = {place: self._own(text, rows, prompt) for place, text, (rows,) in self._run(texts, prompt, ["token"])}
        return [found[place] for place in range(len(texts))]

    def encode_both(self, texts: Sequence[str]) -> tuple[Vectors, list[TokenVectors]]:
        """Return what `encode_passages` and `encode_tokens` return of passages, in one pass."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        tokens: dict[int, TokenVectors] = {}
        for place, text, (vector, rows) in self._run(texts, "document", ["text", "token"]):
            vectors[place], tokens[place] = vector, self._own(text, rows, "document")
        return _normalized(vectors), [tokens[place] for place in range(len(texts))]

    def _own(self, text: Encoding, rows: NDArray[np.float32], prompt: Prompt) -> TokenVectors:
        """Return a text's tokens but special ones, padding, and those of the prompt."""
        own = np.array(text.special_tokens_mask) == 0
        own &= np.array([end for _, end in text.offsets]) > len(self._prompts[prompt])
        return TokenVectors(np.array(text.ids, dtype=np.int64)[own], _normalized(rows[: len(own)][own]))

    def _encode(self, texts: Sequence[str], prompt: Prompt) -> Vectors:
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        with tqdm(total=len(texts), desc="encoding", unit="passage", delay=2, disable=None) as bar:
            for place, _, (vector,) in self._run(texts, prompt, ["text"]):
                vectors[place] = vector
                bar.update()
        return _normalized(vectors)

    def _run(
        self, texts: Sequence[str], prompt: Prompt, units: Sequence[Unit]
    ) -> Iterator[tuple[int, Encoding, tuple[NDArray[np.float32], ...]]]:
        """Yield each text's place, its tokens and what the network makes of them; long texts first."""
        tokenized = self._network.tokenizer.encode_batch([self._prompts[prompt] + text for text in texts])
        batches = list(self._batches(tokenized))
        ready = self._network.run((_padded([tokenized[place] for place in batch]) for batch in batches), units)
        for batch, encoded in zip(batches, ready, strict=True):
            for place, *vectors in zip(batch, *encoded, strict=True):
                yield place, tokenized[place], tuple(vectors)

    def _batches(self, tokenized: Sequence[Encoding]) -> Iterator[list[int]]:
        """Yield places in batches of about the same length, which saves padding."""
        by_length = sorted(range(len(tokenized)), key=lambda place: -len(tokenized[place]))
        first = 0
        while first < len(by_length):
            last = first + self._network.batch_size(len(tokenized[by_length[first]]))
            yield by_length[first:last]
            first = last


class TorchNetwork:
    """A sentence-transformers model, in fp16 on a card and in bf16 on a CPU that has it."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self._model: Any = load_sentence_transformer(folder, query_prompt="").eval()
        self._batch_size = batch_size
        if self._model.device.type == "cuda":
            self._model.half()
        elif native_bf16_cpu():
            self._model.bfloat16()
        self.dim: int = self._model.get_embedding_dimension()

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer, a copy: the library switches padding and truncation in its own."""
        return plain_tokenizer(self._model)

    def batch_size(self, n_tokens: int) -> int:
        """Return the number of texts, the same for all lengths."""
        return self._batch_size

    def run(self, batches: Iterable[Batch], units: Sequence[Unit]) -> Iterator[tuple[NDArray[np.float32], ...]]:
        """Yield as `Network` says."""
        import torch

        for batch in batches:
            with torch.inference_mode():
                ids, mask = (torch.from_numpy(part).to(self._model.device) for part in batch)
                out = self._model({"input_ids": ids, "attention_mask": mask})
                vectors = tuple(out[OUTPUTS[unit]].float().cpu().numpy() for unit in units)
            yield vectors


def native_bf16_cpu() -> bool:
    """Say whether this CPU multiplies bfloat16 in hardware, where it halves the time (measured: cosine .9999)."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def fitting_engine(wanted: str) -> str:
    """Return what encodes on this machine: as wanted, or as fits it for `auto`; a card is always torch's."""
    import torch

    if torch.cuda.is_available():
        return "torch"
    return wanted if wanted != "auto" else ("openvino-bf16" if native_bf16_cpu() else "torch")


@one_at_a_time
def load_sentence_transformer(folder: Path, query_prompt: str) -> "SentenceTransformer":
    """Load a model folder on the best device, with the prompt that its queries get."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = SentenceTransformer(str(folder), device=device, local_files_only=True)
    model.prompts = {"query": query_prompt, "document": ""}
    return model


def plain_tokenizer(model: "SentenceTransformer") -> Tokenizer:
    """Return a model's tokenizer, which cuts off at the length that the model reads and does not pad."""
    whole: Any = model
    tokenizer = Tokenizer.from_str(whole.tokenizer.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.enable_truncation(whole.max_seq_length)
    return tokenizer


def _padded(texts: Sequence[Encoding]) -> Batch:
    """Fill up to the longest; the mask hides what id 0 stands for."""
    ids = np.zeros((len(texts), max(map(len, texts))), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text.ids
        mask[row, : len(text)] = 1
    return Batch(ids, mask)


def _normalized(vectors: NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
