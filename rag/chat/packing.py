"""Conversations packed into sequences of about one length, so that little of a batch is padding (Krell et al. 2021).

The positions of each conversation begin at 0, from which the library sees where one ends: no token attends to another
conversation, so each is learned as if it were alone.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from rag.chat.tokens import IGNORED, Encoded

Packed = dict[str, torch.Tensor]
"""`input_ids`, `labels` and `position_ids` of a sequence, int64 (n_tokens,)."""


def packed(examples: Sequence[Encoded], max_length: int, seed: int) -> list[Packed]:
    """Return the examples in sequences of at most `max_length` tokens, none of them cut.

    Which examples meet in a sequence is left to chance as far as their lengths allow.
    """
    order = random.Random(seed).sample(range(len(examples)), len(examples))
    shuffled = [examples[place] for place in order]
    return [
        _sequence([shuffled[place] for place in places])
        for places in best_fit([len(example) for example in shuffled], max_length)
    ]


def best_fit(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Return which lengths share a bin of so much room: the longest first, each where it leaves least over."""
    bins: list[list[int]] = []
    by_rest: defaultdict[int, list[list[int]]] = defaultdict(list)
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        length = lengths[place]
        rest = next((rest for rest in range(length, room) if by_rest[rest]), None)
        if rest is None:
            rest = room
            bins.append([])
            by_rest[room].append(bins[-1])
        chosen = by_rest[rest].pop()
        chosen.append(place)
        by_rest[rest - length].append(chosen)
    return bins


def collate(sequences: Sequence[Packed]) -> dict[str, Any]:
    """Return a batch, int64 (n_sequences, longest), in which padding is a conversation of its own that nobody learns.

    Without a cache: a model that is to keep one does not look where conversations end.
    """
    n, longest = len(sequences), max(len(sequence["input_ids"]) for sequence in sequences)
    batch: dict[str, Any] = {
        "input_ids": torch.zeros((n, longest), dtype=torch.int64),
        "labels": torch.full((n, longest), IGNORED),
        "position_ids": torch.zeros((n, longest), dtype=torch.int64),
    }
    for row, sequence in enumerate(sequences):
        length = len(sequence["input_ids"])
        for name, values in sequence.items():
            batch[name][row, :length] = values
        batch["position_ids"][row, length:] = torch.arange(longest - length)
    return {**batch, "use_cache": False}


def _sequence(examples: Sequence[Encoded]) -> Packed:
    return {
        "input_ids": torch.tensor([token for example in examples for token in example.input_ids]),
        "labels": torch.tensor([label for example in examples for label in example.labels]),
        "position_ids": torch.cat([torch.arange(len(example)) for example in examples]),
    }
