"""Mined negatives as a training reads them, and which documents a training saw."""

import json
from collections.abc import Sequence

from rag.pairs.assembly import SplitPairs
from rag.pairs.pair import QueryPair
from storage.artifacts import ArtifactRef, ArtifactStore

NEGATIVES, PASSAGES = "negatives", "passages.encrypted"
"""Kind of the artifact, and its file."""
LEARNED_FROM = "learned_from"
"""Among the facts of models and of negatives: ids of the documents whose text a training saw, or could have."""


def with_negatives(store: ArtifactStore, train: Sequence[QueryPair], negatives: ArtifactRef | None) -> list[QueryPair]:
    """Return the training pairs, each with what was mined for it."""
    mined = load_negatives(store, negatives) if negatives else {}
    return [pair.model_copy(update={"negatives": mined.get(pair.id, ())}) for pair in train]


def learned_from(
    store: ArtifactStore, split: SplitPairs, negatives: ArtifactRef | None, *others: ArtifactRef | None
) -> list[str]:
    """Return the ids of the documents that a training saw, sorted: by its pairs, negatives, and models before it."""
    seen = {doc_id for pair in [*split.train, *split.validation] for doc_id in pair.doc_ids}
    for other in (negatives, *others):
        seen.update(store.facts(other).get(LEARNED_FROM, ()) if other else ())
    return sorted(seen)


def load_negatives(store: ArtifactStore, ref: ArtifactRef) -> dict[str, tuple[str, ...]]:
    """Open mined negatives, by pair id; pairs without any are not in it."""
    return {pair_id: tuple(texts) for pair_id, texts in json.loads(store.unseal(ref, PASSAGES)).items()}
