"""No user has a say in more than a share of the questions that there is feedback on, however much they react."""

from collections.abc import Mapping, Sequence

from rag.feedback.evidence import weight
from rag.feedback.reactions import Reaction, Use
from rag.pairs.words import normalize


def beyond_shares(uses: Sequence[Use], most: float, at_least: int) -> frozenset[int]:
    """Return the ids of the reactions of users who have had their say, in `at_least` questions or the share `most`.

    What a user says most strongly counts first, then what came first, so that more of the same changes nothing.
    Whoever has no fingerprint has a say in the question they asked.
    """
    said: dict[str, dict[str, list[Reaction]]] = {}
    others: set[str] = set()
    for use in uses:
        for reaction in use.reactions:
            if reaction.user is None:
                others.add(use.id)
            else:
                said.setdefault(reaction.user, {}).setdefault(normalize(use.question), []).append(reaction)
    limit = max(at_least, _limit({user: len(own) for user, own in said.items()}, len(others), most))
    beyond: set[int] = set()
    for own in said.values():
        for reactions in sorted(own.values(), key=_rank)[limit:]:
            beyond.update(reaction.id for reaction in reactions)
    return frozenset(beyond)


def _rank(reactions: Sequence[Reaction]) -> tuple[float, int]:
    return -max(abs(weight(reaction)) for reaction in reactions), min(reaction.id for reaction in reactions)


def _limit(n_questions: Mapping[str, int], n_others: int, most: float) -> int:
    """Return the largest number that is within the share of all that is kept if each user has up to that number."""
    for limit in range(max(n_questions.values(), default=0), 0, -1):
        if limit <= most * (n_others + sum(min(n, limit) for n in n_questions.values())):
            return limit
    return 0
