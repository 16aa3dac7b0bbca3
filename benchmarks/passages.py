"""Real text for the benchmarks, from the folder that RAGLOOP_BENCH_DATA names; nothing of it is part of the project."""

import json
import random

from quality.data import data_root
from tokenizers import Tokenizer


def documents() -> list[str]:
    """Return the texts of covidqa's articles; ends the program where there is no data."""
    return [each.read_text(encoding="utf-8") for each in sorted(data_root().glob("covidqa/documents/*.txt"))]


def questions() -> list[str]:
    """Return the questions of covidqa's development part; ends the program where there is no data."""
    lines = (data_root() / "covidqa" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


def windows(tokenizer: Tokenizer, n_tokens: int, count: int, seed: int = 13) -> list[str]:
    """Return texts of just so many tokens, special ones included, cut from the articles and drawn at random."""
    tokenizer.no_truncation()
    found = []
    for text in documents():
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        size = n_tokens - 2
        found += [text[offsets[i][0] : offsets[i + size - 1][1]] for i in range(0, len(offsets) - size, size)]
    return random.Random(seed).sample(found, min(count, len(found)))
