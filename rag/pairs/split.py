"""Which groups of documents train, which validate and which judge. A group once placed stays where it is."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rag.config import SplitConfig
from rag.pairs.pair import Split


@dataclass(frozen=True)
class GroupFacts:
    """What the split needs to know of a near-duplicate group."""

    n_questions: int
    n_documents: int = 1
    members: tuple[str, ...] = ()
    """Ids of its documents; a group with a frozen member takes that member's split, even if its own id has changed."""


def assign_splits(
    groups: Mapping[str, GroupFacts], config: SplitConfig, frozen: Mapping[str, Split]
) -> dict[str, Split]:
    """Return the split of each group (by id). `frozen` holds splits given before, by group id or document id.

    Evaluation and validation are filled up to their shares of the questions (of the documents, where no group has a
    question) in the order of a seeded hash, which exceeds a share by less than one group. Three groups
    or more fill every split; two train and evaluate; one trains. A group that joins frozen ones of several splits goes
    to the strictest.
    """
    splits: dict[str, Split] = {}
    for group, facts in groups.items():
        kept = _frozen_split([group, *facts.members], frozen)
        if kept is not None:
            splits[group] = kept
    by_questions = any(facts.n_questions for facts in groups.values())
    weights = {group: facts.n_questions if by_questions else facts.n_documents for group, facts in groups.items()}
    fresh = sorted(groups.keys() - splits.keys(), key=lambda group: _place(group, config.seed))
    for split, share, n_groups in (
        (Split.EVALUATION, config.evaluation_share, 2),
        (Split.VALIDATION, config.validation_share, 3),
    ):
        if len(groups) < n_groups:
            continue
        wanted = set(Split) if len(groups) > 2 else {Split.TRAIN, Split.EVALUATION}
        n_left = len(wanted - {split} - set(splits.values()))
        for group in _fill(fresh, n_left, weights, split, share, splits):
            splits[group] = split
            fresh.remove(group)
    splits.update(dict.fromkeys(fresh, Split.TRAIN))
    return {group: splits[group] for group in groups}


def _fill(
    fresh: list[str], n_left: int, weights: Mapping[str, int], split: Split, share: float, splits: Mapping[str, Split]
) -> list[str]:
    """Return the groups, in order, that bring a split nearest to its share and leave `n_left` others.

    If the split has none yet, it gets at least one where that many are left.
    """
    target = share * sum(weights.values())
    weight = sum(weights[group] for group, own in splits.items() if own is split)
    taken: list[str] = []
    for group in fresh:
        nearer = abs(weight + weights[group] - target) < abs(weight - target)
        if weights[group] and nearer and len(fresh) - len(taken) > n_left:
            weight += weights[group]
            taken.append(group)
    if not taken and len(fresh) > n_left and split not in splits.values():
        weighty = [group for group in fresh if weights[group]]
        taken = [min(weighty or fresh, key=lambda group: weights[group])]
    return taken


def _frozen_split(ids: Iterable[str], frozen: Mapping[str, Split]) -> Split | None:
    found = {frozen[id_] for id_ in ids if id_ in frozen}
    for split in (Split.EVALUATION, Split.VALIDATION, Split.TRAIN):
        if split in found:
            return split
    return None


def _place(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()
