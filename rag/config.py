"""One frozen model per stage, and the profiles that fit them to a machine. Imports no torch."""

import os
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rag.errors import ConfigError

COLLECTION = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""What a collection may be called."""


class Stage(BaseModel):
    """Base of the stage configs: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChunkingConfig(Stage):
    """How text is cut. Tokens are those of the bundled encoder's tokenizer."""

    chunk_tokens: int = Field(400, ge=50, le=2000)
    overlap_tokens: int = Field(50, ge=0, le=500)
    boilerplate_pages: int = Field(3, ge=2)
    """A line at the edge of at least this many pages, and of most of them, is a running header or footer."""


class SynthesisConfig(Stage):
    """The question writer that needs no LLM."""

    questions_per_chunk: int = Field(3, ge=0, le=10)
    comparative_share: float = Field(0.1, ge=0, le=0.5)
    seed: int = 13


class PairsConfig(Stage):
    """Which pairs are learned from, and which are asked in the evaluation."""

    passage_tokens: int = Field(126, ge=16)
    """Length of the passage that a pair is learned from: what training looks at, less the two special tokens."""
    synthetic_per_real: float = Field(0.5, ge=0)
    """Synthetic training pairs at most for each real one, where there are enough real ones."""
    max_synthetic: int = Field(2000, ge=0)
    """Synthetic training pairs at most."""
    max_synthetic_questions: int = Field(200, ge=0)
    """Synthetic questions at most in the evaluation set and in validation, each."""
    seed: int = 13


class SplitConfig(Stage):
    """Shares of the documents' groups, and what counts as the same text."""

    evaluation_share: float = Field(0.3, gt=0, lt=0.8)
    validation_share: float = Field(0.15, gt=0, lt=0.5)
    near_duplicate: float = Field(0.6, gt=0, le=1)
    """Jaccard similarity of 5-word shingles from which two documents are one group."""
    seed: int = 13


class EmbeddingConfig(Stage):
    """Fine-tuning the embedder."""

    epochs: int = Field(3, ge=1)
    """At least; a small collection gets as many more as `min_steps` wants."""
    min_steps: int = Field(60, ge=1)
    max_steps: int = -1
    batch_size: int = Field(32, ge=2)
    learning_rate: float = 1e-4
    warmup_ratio: float = 0.1
    max_seq_length: int = Field(128, ge=16)
    """Tokens that training looks at, the length of a training passage."""
    checkpoints: int = Field(6, ge=1)
    """Evaluated on the validation questions; the best is kept."""
    seed: int = 13
    shuffle_labels: bool = False
    """A drill: train on shuffled labels, to see the gate keep the result out."""


class IndexConfig(Stage):
    """What is searched: dense windows of chunks, and words of chunks and windows."""

    window_tokens: int = Field(128, ge=16)
    window_stride: int = Field(96, ge=8)
    lexical_engine: str = Field("bm25s", pattern="^(bm25s|rank-bm25)$")
    encode_batch: int = Field(64, ge=1, exclude=True)
    """Texts at a time; changes the speed alone, so it is no part of an index's digest."""


class RetrievalConfig(Stage):
    """How dense and lexical scores become one ranking."""

    dense_weight: float = Field(0.4, ge=0, le=1)
    """Used until a weight has been learned on validation questions."""
    candidates: int = Field(200, ge=10)


class GateConfig(Stage):
    """What a candidate must show before it serves."""

    metric: str = "mrr@10"
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_questions: int = Field(20, ge=1)
    max_general_loss: float = Field(0.03, ge=0)
    """Largest loss of hit@1 on the general set."""
    max_latency_p95_ms: float = Field(1000, gt=0)
    """Time to retrieve; answering has the rest of the two seconds."""
    max_serving_bytes: int = Field(5 * 2**30, gt=0)
    """Embedder and index, against the 5 GB of a serving card."""
    resamples: int = Field(10_000, ge=100)
    seed: int = 13


class Profile(StrEnum):
    """A machine that the defaults are fitted to."""

    CPU = "cpu"
    GPU_6GB = "gpu-6gb"
    GPU_16GB = "gpu-16gb"
    SMOKE = "smoke"


class Config(Stage):
    """All stages of one run."""

    chunking: ChunkingConfig = ChunkingConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    pairs: PairsConfig = PairsConfig()
    split: SplitConfig = SplitConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    index: IndexConfig = IndexConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    gate: GateConfig = GateConfig()


_OVERRIDES: dict[Profile, dict[str, dict[str, Any]]] = {
    Profile.CPU: {},
    Profile.GPU_6GB: {"embedding": {"batch_size": 64}, "index": {"encode_batch": 128}},
    Profile.GPU_16GB: {"embedding": {"batch_size": 128}, "index": {"encode_batch": 256}},
    Profile.SMOKE: {
        "synthesis": {"questions_per_chunk": 1},
        "pairs": {"passage_tokens": 62, "max_synthetic_questions": 40},
        "embedding": {"epochs": 1, "min_steps": 1, "max_steps": 6, "batch_size": 8, "max_seq_length": 64},
        "gate": {"resamples": 1000},
    },
}


def load_config(profile: Profile | str, shuffle_labels: bool = False) -> Config:
    """Return the stage configs of a profile, for a drill with `shuffle_labels`.

    :raises ConfigError: if there is no such profile.
    """
    try:
        overrides = _OVERRIDES[Profile(profile)]
    except ValueError:
        names = ", ".join(p.value for p in Profile)
        raise ConfigError(f"no profile named {profile!r}: choose one of {names}") from None
    config = Config.model_validate(overrides)
    embedding = config.embedding.model_copy(update={"shuffle_labels": shuffle_labels})
    return config.model_copy(update={"embedding": embedding})


def detect_profile() -> Profile:
    """Return the profile for this machine, from the memory of its first NVIDIA card; `cpu` without one."""
    memory_mib = _card_memory_mib()
    if memory_mib is None:
        return Profile.CPU
    return Profile.GPU_16GB if memory_mib >= 14_000 else Profile.GPU_6GB


def _card_memory_mib() -> int | None:
    """Return the first card's memory in MiB, asked of the driver's own tool so that torch stays unloaded."""
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return None
    query = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        out = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        return int(out.splitlines()[0])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None
