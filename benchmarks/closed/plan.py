"""Which articles are asked about, which judge, which are measured by: each article has one part in the simulation."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import NamedTuple

from quality.data import SEED, Dataset, Question

LABELLED, HELD_OUT, VALIDATION, ASKED = "labelled", "held-out", "validation", "asked"
MOST = 0.4
"""Of the questions are about the articles that people ask about: those with the most, by which few would judge all."""
SHARES = {LABELLED: 0.48, HELD_OUT: 0.38, VALIDATION: 0.14}
"""Of the questions of the other articles of `train.jsonl`."""
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
    asked = Counter(question.document for question in data.questions if question.document not in dev)
    parts = dict.fromkeys(dev, DEV) | dict.fromkeys(most_asked(asked), ASKED)
    parts |= drawn({name: n for name, n in asked.items() if name not in parts})
    by_part: dict[str, list[Question]] = {part: [] for part in (*SHARES, ASKED, DEV)}
    for question in data.questions:
        by_part[parts[question.document]].append(question)
    put = [*by_part[ASKED], *by_part[VALIDATION]]
    Random(SEED).shuffle(put)
    measured = {part: by_part[part] for part in (DEV, HELD_OUT)}
    return Plan(parts, by_part[LABELLED], measured, [put[place::rounds] for place in range(rounds)])


def most_asked(asked: Mapping[str, int]) -> list[str]:
    """Return the articles with the most questions, at least one, as long as these are no more than MOST of all."""
    names = sorted(asked, key=lambda name: (-asked[name], name))
    held = accumulate(asked[name] for name in names)
    return names[: max(1, bisect_right(list(held), MOST * sum(asked.values())))]


def drawn(asked: Mapping[str, int], seed: int = SEED) -> dict[str, str]:
    """Return the part of each article: in a random order, that which is furthest below its share."""
    names: Sequence[str] = Random(seed).sample(sorted(asked), len(asked))
    total = sum(asked.values())
    filled, parts = Counter[str](), {}
    for name in names:
        parts[name] = max(SHARES, key=lambda part: SHARES[part] - filled[part] / total)
        filled[parts[name]] += asked[name]
    return parts
