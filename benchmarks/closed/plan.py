"""Which articles are asked about, which judge, which are measured by: each article has one part in the simulation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from quality.data import SEED, Dataset, Question

LABELLED, HELD_OUT, VALIDATION, ASKED = "labelled", "held-out", "validation", "asked"
SHARES = {LABELLED: 0.27, HELD_OUT: 0.23, VALIDATION: 0.1, ASKED: 0.4}
"""Of the questions of the articles of `train.jsonl`."""
DEV = "dev"


class Plan(NamedTuple):
    """The parts of the articles, and the questions of each round."""

    parts: dict[str, str]
    """Article -> its part; DEV for those of `dev.jsonl`. Articles without questions have none."""
    labelled: list[Question]
    """Imported before anybody asks: they judge inside the loop."""
    measured: dict[str, list[Question]]
    """DEV and HELD_OUT: never asked, never imported."""
    rounds: list[list[Question]]


def planned(data: Dataset, dev: frozenset[str], rounds: int) -> Plan:
    """Give each article its part, so that the parts come near their shares, and each round its questions."""
    asked = Counter(question.document for question in data.questions)
    parts = dict.fromkeys(dev, DEV) | drawn({name: n for name, n in asked.items() if name not in dev})
    by_part: dict[str, list[Question]] = {part: [] for part in (*SHARES, DEV)}
    for question in data.questions:
        by_part[parts[question.document]].append(question)
    put = [*by_part[ASKED], *by_part[VALIDATION]]
    Random(SEED).shuffle(put)
    measured = {part: by_part[part] for part in (DEV, HELD_OUT)}
    return Plan(parts, by_part[LABELLED], measured, [put[place::rounds] for place in range(rounds)])


def drawn(asked: Mapping[str, int], seed: int = SEED) -> dict[str, str]:
    """Return the part of each article: in a random order, that which is furthest below its share."""
    names: Sequence[str] = Random(seed).sample(sorted(asked), len(asked))
    total = sum(asked.values())
    filled, parts = Counter[str](), {}
    for name in names:
        parts[name] = max(SHARES, key=lambda part: SHARES[part] - filled[part] / total)
        filled[parts[name]] += asked[name]
    return parts
