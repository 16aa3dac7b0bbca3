"""Passages that people were shown for a question and had no use for."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set

from rag.feedback.reactions import Reaction, Use
from rag.feedback.signals import OF_A_PASSAGE, FeedbackKind
from rag.pairs.words import normalize


def feedback_negatives(uses: Sequence[Use], answered_by: Mapping[str, Set[str]]) -> dict[str, tuple[str, ...]]:
    """Return the ids of chunks that were shown for a question and skipped, by normalized question, most often first.

    `answered_by` holds, by normalized question, the ids of the chunks that answer it; other questions are left out.
    After an unhelpful answer all others that were shown count as skipped; after a helpful one those above the first
    that answers (Joachims 2002), since a reaction does not say which passage it means. Contradicting reactions to one
    answer count for nothing, and a passage that somebody opened, copied or called right was not skipped. A chunk counts
    once for each person. An answer from memory does not say how passages served: it was not made from any.
    """
    skipped: dict[str, set[tuple[str, str]]] = {}
    for use in uses:
        question = normalize(use.question)
        answering = answered_by.get(question)
        helped = _helped(use, answering or frozenset())
        if use.from_memory or not answering or helped is None:
            continue
        shown = list(use.shown)
        if helped:
            shown = shown[: next((rank for rank, chunk_id in enumerate(shown) if chunk_id in answering), 0)]
        left = set(shown) - answering - {reaction.chunk_id for reaction in use.reactions}
        people = {use.person(reaction) for reaction in use.reactions}
        skipped.setdefault(question, set()).update((person, chunk_id) for person in people for chunk_id in left)
    counts = {question: Counter(chunk_id for _, chunk_id in own) for question, own in sorted(skipped.items())}
    return {question: _most_often_first(own) for question, own in counts.items() if own}


def _helped(use: Use, answering: Set[str]) -> bool | None:
    """Return whether the reactions say that the passages were of use; None if they do not say, or not with one voice.

    An opened citation says so only of a passage that answers, and only if nobody says anything else.
    """
    said = {opinion for reaction in use.reactions if (opinion := _opinion(reaction)) is not None}
    if not said and any(r.kind in OF_A_PASSAGE and r.chunk_id in answering for r in use.reactions):
        return True
    return said.pop() if len(said) == 1 else None


def _opinion(reaction: Reaction) -> bool | None:
    # Left out: a correction blames the answer, not the passages, and who leaves may have found what was wanted.
    if reaction.kind in {FeedbackKind.COPIED, FeedbackKind.RIGHT_PASSAGE}:
        return True
    return False if reaction.kind is FeedbackKind.REFORMULATED else reaction.vote


def _most_often_first(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda chunk_id: (-counts[chunk_id], chunk_id)))
