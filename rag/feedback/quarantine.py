"""Feedback that is not learned from: each rule is a name and a line, which a person can look up and disagree with."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from sqlmodel import select

from rag.config import PairsConfig
from rag.feedback.reactions import Reaction, Use, load_uses
from rag.feedback.shares import beyond_shares
from rag.feedback.signals import VOTES
from rag.pairs.words import words
from storage.database import Database
from storage.tables import DocumentRow, ReleaseRow

_FEWEST_LETTERS, _MOST_WORDS = 6, 100
_BURST, _WITHIN = 20, timedelta(minutes=1)
_ONE_WAY = 30
_EMAIL_OR_NUMBER = re.compile(r"[\w+-]@[\w-]+\.\w|\b[A-Z]{2}\d{2}[ ]?(?:\w{4}[ ]?){3,}|(?:\d[ ()/.-]{0,2}){10,}")
_INSTRUCTION = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:previous|above|prior|earlier|all|your|these|system)\b|"
    r"\b(?:system|developer) prompt\b|<\|?(?:im_start|system|endoftext)|\byou are now\b|\bpretend (?:to be|that you)\b",
    re.IGNORECASE | re.DOTALL,
)


class Rule(StrEnum):
    """Why a reaction is not learned from, in the order in which they are looked at."""

    OTHER_COLLECTION = "other_collection"
    FOLLOW_UP = "follow_up"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    PERSONAL_DATA = "personal_data"
    INSTRUCTION = "instruction"
    BURST = "burst"
    ONE_WAY = "one_way"
    BEYOND_SHARE = "beyond_share"
    CONTRADICTING = "contradicting"


WHY = {
    Rule.OTHER_COLLECTION: "its answer is of a release of another collection, or cites a document of one",
    Rule.FOLLOW_UP: "its question follows up on something that was not said",
    Rule.TOO_SHORT: f"its question has fewer than {_FEWEST_LETTERS} letters and digits",
    Rule.TOO_LONG: f"its question has more than {_MOST_WORDS} words",
    Rule.PERSONAL_DATA: "its question holds an address of mail, or a number like that of a telephone or an account",
    Rule.INSTRUCTION: "its question gives orders to a language model",
    Rule.BURST: f"it is one of more than {_BURST} reactions of one user within a minute",
    Rule.ONE_WAY: f"it is a vote of a user whose votes on {_ONE_WAY} answers or more all say the same",
    Rule.BEYOND_SHARE: "its user has had a say in as many questions as one user may: see pairs.max_user_share",
    Rule.CONTRADICTING: "it is a vote on an answer that as many people found good as bad",
}


@dataclass(frozen=True)
class Quarantined:
    """A reaction that is not learned from."""

    rule: Rule
    use: Use
    reaction: Reaction


class Sifted(NamedTuple):
    """Uses with the reactions that may be learned from, and those that may not."""

    uses: list[Use]
    quarantined: list[Quarantined]


def sifted_uses(database: Database, collection: str, config: PairsConfig) -> Sifted:
    """Return the uses of a collection by what the rules say of the reactions; a use without any left is not in it."""
    uses = load_uses(database, collection)
    rules = _Rules(uses, _releases(database, collection), _foreign(database, collection, uses))
    sound, quarantined = _sift(uses, rules.broken)
    beyond = beyond_shares(sound, config.max_user_share, config.min_user_questions)
    heard, others = _sift(sound, lambda _, reaction: Rule.BEYOND_SHARE if reaction.id in beyond else None)
    # Last, since a vote that is kept out contradicts nobody.
    kept, contradicting = _sift(
        heard, lambda use, reaction: Rule.CONTRADICTING if _contradicted(use, reaction) else None
    )
    return Sifted(kept, quarantined + others + contradicting)


def _sift(uses: Sequence[Use], broken: Callable[[Use, Reaction], Rule | None]) -> Sifted:
    sifted = Sifted([], [])
    for use in uses:
        rules = [(reaction, broken(use, reaction)) for reaction in use.reactions]
        sifted.quarantined.extend(Quarantined(rule, use, reaction) for reaction, rule in rules if rule)
        if left := tuple(reaction for reaction, rule in rules if rule is None):
            sifted.uses.append(replace(use, reactions=left))
    return sifted


class _Rules:
    """The rules, with what each needs to know of all uses."""

    def __init__(self, uses: Sequence[Use], releases: frozenset[int], foreign: frozenset[str]) -> None:
        bursts, one_way = frozenset(_bursts(uses)), frozenset(_one_way(uses))
        self._tests: dict[Rule, Callable[[Use, Reaction], object]] = {
            Rule.OTHER_COLLECTION: lambda use, _: (
                use.release_id not in releases or foreign & {doc_id for doc_id, _, _ in use.cited}
            ),
            Rule.FOLLOW_UP: lambda use, _: not use.alone,
            Rule.TOO_SHORT: lambda use, _: len("".join(words(use.question))) < _FEWEST_LETTERS,
            Rule.TOO_LONG: lambda use, _: len(words(use.question)) > _MOST_WORDS,
            Rule.PERSONAL_DATA: lambda use, _: _EMAIL_OR_NUMBER.search(use.question),
            Rule.INSTRUCTION: lambda use, _: _INSTRUCTION.search(use.question),
            Rule.BURST: lambda _, reaction: reaction.id in bursts,
            Rule.ONE_WAY: lambda _, reaction: reaction.kind in VOTES and reaction.user in one_way,
        }

    def broken(self, use: Use, reaction: Reaction) -> Rule | None:
        """Return the first rule that keeps a reaction out."""
        return next((rule for rule, test in self._tests.items() if test(use, reaction)), None)


def _contradicted(use: Use, reaction: Reaction) -> bool:
    votes = Counter(each.vote for each in use.reactions)
    return reaction.kind in VOTES and bool(votes[True]) and votes[True] == votes[False]


def _bursts(uses: Sequence[Use]) -> Iterator[int]:
    """Yield the ids of the reactions that come too fast, of users who have a fingerprint."""
    said = sorted((r.user, r.at, r.id) for use in uses for r in use.reactions if r.user)
    for _, grouped in groupby(said, key=lambda each: each[0]):
        own = list(grouped)
        for first, (_, at, _) in enumerate(own[:-_BURST]):
            if own[first + _BURST][1] - at <= _WITHIN:
                yield from (id_ for _, _, id_ in own[first : first + _BURST + 1])


def _one_way(uses: Sequence[Use]) -> Iterator[str]:
    votes: dict[str, Counter[bool]] = {}
    for reaction in (reaction for use in uses for reaction in use.reactions):
        if reaction.user and reaction.vote is not None:
            votes.setdefault(reaction.user, Counter())[reaction.vote] += 1
    yield from (user for user, own in votes.items() if own.total() >= _ONE_WAY and len(own) == 1)


def _releases(database: Database, collection: str) -> frozenset[int]:
    query = select(ReleaseRow.id).where(ReleaseRow.collection == collection)
    with database.reading() as session:
        return frozenset(id_ for id_ in session.exec(query) if id_ is not None)


def _foreign(database: Database, collection: str, uses: Sequence[Use]) -> frozenset[str]:
    cited = {doc_id for use in uses for doc_id, _, _ in use.cited}
    query = select(DocumentRow.id).where(DocumentRow.collection != collection)
    with database.reading() as session:
        return frozenset(doc_id for doc_id in session.exec(query) if doc_id in cited)
