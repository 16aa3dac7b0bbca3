"""Real questions that a language model is shown so that it writes like a collection's people."""

import hashlib
from collections.abc import Mapping, Sequence

from rag.pairs.pair import Split
from storage.tables import QueryPairRow

_DRAWN_FROM = 10
"""Oldest questions, for each one shown, from which these are drawn: later ones change no prompt that was paid."""


def style_examples(
    questions: Sequence[QueryPairRow], splits: Mapping[str, tuple[str, Split]], n_examples: int, seed: int
) -> list[str]:
    """Return real questions of training documents alone, of as many documents as there are.

    `splits` is by document name. A question of a validation or evaluation document is never among them.
    """
    training = [row for row in questions if splits.get(row.document, ("", None))[1] is Split.TRAIN]
    oldest = sorted(training, key=lambda row: (row.created_at, row.anchor))[: _DRAWN_FROM * n_examples]
    drawn = sorted(oldest, key=lambda row: hashlib.sha256(f"{seed}:{row.anchor}".encode()).digest())
    first_of: dict[str, QueryPairRow] = {}
    for row in drawn:
        first_of.setdefault(row.document, row)
    firsts = list(first_of.values())
    others = [row for row in drawn if row is not first_of[row.document]]
    return list(dict.fromkeys(row.anchor for row in [*firsts, *others]))[:n_examples]
