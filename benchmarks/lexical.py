"""Questions answered in a second on one thread: bm25s against rank-bm25, which must find the same first ten.

    RAGLOOP_BENCH_DATA=... python benchmarks/lexical.py [CHUNKS]

Chunks are sentences of one article each, recombined at random. Both engines get words that have been cut and stemmed
before, score all chunks and give the best ten; they take turns question by question.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # one thread; read when numpy and torch are first imported

import random
import re
import statistics
import sys
import time

import numpy as np
from numpy.typing import NDArray
from passages import documents, questions

from rag.retrieval.lexical import Analyzer, Bm25s, Lexical, RankBm25, Scores

CHUNKS, SENTENCES, QUESTIONS, REPEATS = 100_000, 12, 20, 5


def chunks(count: int, analyze: Analyzer, seed: int = 13) -> list[str]:
    """Return the stems of chunks."""
    draw = random.Random(seed)
    articles = [[" ".join(analyze(s)) for s in re.split(r"(?<=[.?!])\s+", text)] for text in documents()]
    return [" ".join(draw.choices(draw.choice(articles), k=SENTENCES)) for _ in range(count)]


def first_ten(scores: Scores) -> NDArray[np.int64]:
    """Return the places of the best ten, best first; sums in another order are equal after rounding, ties by place."""
    among = np.sort(np.argpartition(scores, -50)[-50:])
    return among[np.argsort(-scores[among].round(3), kind="stable")[:10]]


def main(count: int) -> None:
    """Print a table."""
    analyze = Analyzer()
    texts = chunks(count, analyze)
    asked = [" ".join(analyze(question)) for question in random.Random(13).sample(questions(), QUESTIONS)]
    engines: dict[str, Lexical] = {}
    for name, engine in (("bm25s", Bm25s), ("rank-bm25", RankBm25)):
        began = time.perf_counter()
        engines[name] = engine.build(texts, str.split)
        print(f"{name}: {count} chunks indexed in {time.perf_counter() - began:.0f} s", flush=True)

    fast, slow, same = [], [], 0
    for question in asked:
        ours, seconds = timed(engines["bm25s"], question, REPEATS)
        theirs, theirs_s = timed(engines["rank-bm25"], question, 1)
        fast.append(seconds)
        slow.append(theirs_s)
        same += bool((ours == theirs).all())
    print(f"{'engine':10} {'questions/s':>12}")
    print(f"{'bm25s':10} {len(asked) / sum(fast):12.1f}")
    print(f"{'rank-bm25':10} {len(asked) / sum(slow):12.2f}")
    ratios = [b / a for a, b in zip(fast, slow, strict=True)]
    print(f"ratio {sum(slow) / sum(fast):.0f} (median question {statistics.median(ratios):.0f}); ", end="")
    print(f"same first ten in the same order: {same} of {len(asked)}")


def timed(engine: Lexical, question: str, repeats: int) -> tuple[NDArray[np.int64], float]:
    """Return the first ten and the seconds for one search, the median of `repeats`."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        found = first_ten(engine.scores(question))
        seconds.append(time.perf_counter() - began)
    return found, statistics.median(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else CHUNKS)
