"""A cross-encoder of random weights with its own few words, pairs that it can tell apart, and a training to catch."""

import json
import os
import resource
import sys
from pathlib import Path

from rag.config import RerankingConfig
from rag.pairs.pair import Split
from tests.forward_passes import pause_in_forward
from tests.query_pairs import real_pair

SUBJECTS = [f"{first}{second}x" for first in "bdfgklmnpr" for second in "aeiou"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *SUBJECTS, *"is it the yes no never".split()]


def pair(subject, split):
    """Return a pair whose positive says yes and whose negatives do not."""
    return real_pair(
        f"is it the {subject}",
        split=split,
        positive=f"yes it is the {subject}",
        negatives=(f"no it is the {subject}", f"never is it the {subject}"),
    )


TRAIN = [pair(subject, Split.TRAIN) for subject in SUBJECTS[:40]]
VALIDATION = [pair(subject, Split.VALIDATION) for subject in SUBJECTS[40:]]
CONFIG = RerankingConfig(epochs=4, batch_size=8, learning_rate=3e-3, checkpoints=3, max_seq_length=32)
"""60 steps of which 20, 40 and 60 are evaluated."""


def write_base(folder: Path, architecture: str = "BertForSequenceClassification", num_labels: int = 1) -> Path:
    """Write a tiny BERT of random weights and its WordPiece tokenizer; return the folder."""
    import torch
    import transformers

    torch.manual_seed(3)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY),
        max_position_embeddings=64,
        num_labels=num_labels,
        initializer_range=0.2,  # as small as it is, it learns nothing in a few steps from BERT's own
        **shape,
    )
    getattr(transformers, architecture)(config).save_pretrained(folder)
    vocabulary = {word: i for i, word in enumerate(VOCABULARY)}
    transformers.BertTokenizer(vocab=vocabulary, model_max_length=64).save_pretrained(folder)
    return folder


def limit_memory(extra_bytes: int) -> None:
    """Let this process have so much more memory than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(base: str, folder: str, place: str, at: str) -> None:
    """Train in `folder`, to be caught in a step, or with so many MB of memory."""
    from rag.reranking.finetune import finetune

    train, config = TRAIN, CONFIG
    if place == "step":
        from sentence_transformers import CrossEncoder

        pause_in_forward(CrossEncoder, training=True, nth=int(at))
    else:
        train, config = TRAIN * 70, CONFIG.model_copy(update={"batch_size": 8192, "epochs": 1})
        limit_memory(int(at) * 2**20)
    facts = finetune(Path(base), train, VALIDATION, Path(folder, "model"), Path(folder, "checkpoints"), config)
    os.write(1, f"finished {json.dumps(facts['batch'])}\n".encode())


if __name__ == "__main__":
    import rag  # noqa: F401

    main(*sys.argv[1:])
