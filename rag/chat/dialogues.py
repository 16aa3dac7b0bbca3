"""Conversations of two questions: the second leaves out what both are about, or says "it"."""

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby, islice
from typing import NamedTuple

from rag.chat.example import ChatExample, ExampleKind
from rag.chat.extraction import Asked, Fact, example, share_of
from rag.chat.variations import content_words
from rag.pairs.follow_ups import standing_question, topic_of
from rag.pairs.pair import Split
from rag.pairs.verbs import AUXILIARIES, finite_verb, is_participle
from rag.pairs.vocabulary import Vocabulary
from rag.pairs.words import normalize, words

HELD_OUT = 0.15
"""Share of the dialogues that validate, and of those that evaluate."""
_NEAR = 10
"""Nearest facts of its document, of which one is asked before "what about ...?"."""
_TRIED = 50
"""Openings that are tried for a question with a pronoun: where so many do not help, it stands alone."""
_CONNECTIVES = ("", "", "And ", "and ", "ok, and ", "Thanks. ", "thanks, and ")
_ELLIPSES = ("What about {}?", "How about {}?", "what about {}", "And {}?", "and {}")
_PREPOSITIONS = frozenset(
    """
    of for on in at to with from by under over behind beside near inside than about against after before without within
    """.split()
)
_KINDS = ("machine", "unit", "device", "appliance", "product", "system")
_ARTICLE = re.compile(r"^(?:the|an?|my|our|your) ", re.IGNORECASE)
_IT = {"subject": "it", "object": "it", "own": "its"}
_THEY = {"subject": "they", "object": "them", "own": "their"}
_ASKS = re.compile(r"(?:for )?(?:what|which|who|how|why|when|where)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_NAMED = re.compile(r"[A-Z0-9]")
_BOUND = "|".join(sorted({*_PREPOSITIONS, *AUXILIARIES, "and", "or", "that", "which", "if", "when", "while"}))
_NOUN_PHRASE = re.compile(
    rf"\b(?:the|an?|your) (?:(?!(?:{_BOUND})\b)[\w'’-]+ ){{0,2}}[\w'’-]+(?= (?:{_BOUND})\b|[?,]|$)"
)
_PLURAL = re.compile(r"[a-rt-z]s$", re.IGNORECASE)


class _Opening(NamedTuple):
    """A question that begins a conversation, its answer, and what it is about."""

    question: str
    answer: str
    topic: str
    names: tuple[str, ...]
    """What else may stand for the topic, and the topic."""


class _Openings:
    """The openings that the facts of a document give, found by what they are about.

    A fact's place is its number in the document; of two as near to another, the lower is the nearer one.
    """

    def __init__(self, facts: Sequence[Fact], title: str) -> None:
        self._at = [[way for asked in fact.asked for way in _openings(asked, title)] for fact in facts]
        self._places: dict[str, list[int]] = {}
        self._names: dict[str, set[str]] = {}
        for place, ways in enumerate(self._at):
            for name in {name for way in ways for name in way.names}:
                self._places.setdefault(name, []).append(place)
                self._names.setdefault(_first_word(name), set()).add(name)

    def near(self, place: int) -> list[_Opening]:
        """Return the openings of the nearest facts but that one."""
        return [way for other in islice(_outward(range(len(self._at)), place), _NEAR) for way in self._at[other]]

    def named(self, place: int, question: str) -> Iterator[tuple[_Opening, str]]:
        """Yield openings for a fact's question, the nearest first, each with the question without their topic."""
        first_words = {"", *_WORD.findall(question.lower())}
        names = {name for word in first_words for name in self._names.get(word, ())}
        left_out = {name: said for name in names if (said := with_pronoun(question, name))}
        walks = [_outward(self._places[name], place) for name in left_out]
        for other, _ in groupby(merge(*walks, key=lambda other: (abs(other - place), other))):
            for way in self._at[other]:
                yield from ((way, left_out[name]) for name in way.names if name in left_out)


def dialogues(
    facts: Sequence[Fact], titles: Mapping[str, str], vocabulary: Vocabulary, share: float, seed: int
) -> list[ChatExample]:
    """Return a follow-up for so large a share of the taught facts, or for as many as allow one.

    A follow-up counts if the rules that make follow-ups stand alone find its topic in the question before it. Those
    with a pronoun go before those of the form "what about ...?".

    :param facts: by document and place; those that are not taught are neither asked nor told.
    :param titles: what people call the documents, by document id.
    """
    taught = [fact for fact in facts if fact.trained]
    made: list[tuple[bool, float, ChatExample]] = []
    for doc_id, group in groupby(taught, key=lambda fact: fact.source.doc_id):
        own = list(group)
        openings = _Openings(own, titles.get(doc_id, ""))
        for place, fact in enumerate(own):
            draw = random.Random(f"{seed}:dialogue:{fact.id}")
            asked = draw.choice(fact.asked)
            said = _with_pronoun(openings, place, asked.question, draw)
            elliptic = said is None
            if elliptic:
                near = openings.near(place)
                said = _elliptic(draw.sample(near, len(near)), asked.question, vocabulary, draw)
            if said:
                split = split_of(f"{seed}:{fact.id}", HELD_OUT)
                each = example([*said, asked.answer], ExampleKind.DIALOGUE, split, fact.id, source=fact.source)
                made.append((elliptic, share_of(f"{seed}:{fact.id}:order"), each))
    made.sort(key=lambda each: each[:2])
    return [each for _, _, each in made[: round(share * len(taught))]]


def split_of(key: str, held_out: float) -> Split:
    """Return the split that a key always gives: each of validation and evaluation has the share `held_out`."""
    place = share_of(f"{key}:split")
    if place < held_out:
        return Split.VALIDATION
    return Split.EVALUATION if place < 2 * held_out else Split.TRAIN


def _openings(asked: Asked, title: str) -> list[_Opening]:
    """Return the ways to open a conversation with a question."""
    ways: list[_Opening] = []
    if not _ASKS.match(asked.question):
        return ways  # keywords begin no conversation
    topic = topic_of(asked.question)
    if topic:
        name = topic.name or _ARTICLE.sub("", topic.text)
        ways.append(_Opening(asked.question, asked.answer, name, (name,)))
    if title and not set(words(title)) <= set(words(asked.question)):
        ways.append(_Opening(f"About {title}: {asked.question}", asked.answer, title, (title, *_aliases(title))))
    return ways


def _first_word(name: str) -> str:
    found = _WORD.search(name.lower())
    return found[0] if found else ""


def _outward(places: Sequence[int], place: int) -> Iterator[int]:
    """Yield ascending places but that one, the nearest first."""
    left, right = bisect_left(places, place) - 1, bisect_right(places, place)
    while left >= 0 or right < len(places):
        if right == len(places) or (left >= 0 and place - places[left] <= places[right] - place):
            yield places[left]
            left -= 1
        else:
            yield places[right]
            right += 1


def _aliases(title: str) -> list[str]:
    """Return what else a document titled as a model of something calls it, such as a guide to the Tarn 200."""
    name, _, number = title.rpartition(" ")
    return [f"the {kind}" for kind in (name, *_KINDS)] if name and number[0].isdigit() else []


def _with_pronoun(openings: _Openings, place: int, question: str, draw: random.Random) -> list[str] | None:
    """Return the first opening, with its answer, whose topic the question may leave to a pronoun, and that question."""
    for way, left_out in islice(openings.named(place, question), _TRIED):
        if _is_about(follow_up := _connected(left_out, draw), way):
            return [way.question, way.answer, follow_up]
    return None


def _elliptic(ways: Sequence[_Opening], question: str, vocabulary: Vocabulary, draw: random.Random) -> list[str] | None:
    """Return the same for "what about ...?", of a topic with a name."""
    phrases = [found[0] for found in _NOUN_PHRASE.finditer(question) if _is_thing(found[0], vocabulary)]
    for way in ways:
        if phrases and _NAMED.search(way.topic):
            follow_up = _connected(draw.choice(_ELLIPSES).format(max(phrases, key=len)), draw)
            if _is_about(follow_up, way):
                return [way.question, way.answer, follow_up]
    return None


def _is_thing(phrase: str, vocabulary: Vocabulary) -> bool:
    """Say whether an article and what follows it are a noun of two words or more, and no piece of a clause."""
    noun = phrase.partition(" ")[2]
    verbs = {word for word in words(noun) if finite_verb(word) or is_participle(word)}
    return len(content_words(noun)) > 1 and vocabulary.phrases(noun, verbs) == [noun]


def with_pronoun(question: str, topic: str) -> str | None:
    """Return a question with a pronoun for its topic; None where that is not there, or is part of another name."""
    if topic.lower() not in question.lower():
        return None
    named = re.compile(rf"(?:\b(?:the|an?|this) )?\b{re.escape(topic)}\b(?P<own>['’]s)?", re.IGNORECASE)
    found = named.search(question)
    if found is None or len(named.findall(question)) > 1:
        return None
    before, after = words(question[: found.start()])[-1:], words(question[found.end() :])[:1]
    begins = bool(before) and (before[0] in AUXILIARIES or before[0] in _PREPOSITIONS)
    ends = not after or after[0] in AUXILIARIES or not question[found.end() :].startswith(" ")
    subject = bool(before) and before[0] in AUXILIARIES
    if not begins or not (found["own"] or ends or _goes_on(after[0])):
        return None
    case = "own" if found["own"] else "subject" if subject else "object"
    pronoun = (_THEY if _PLURAL.search(topic) else _IT)[case]
    return question[: found.start()] + pronoun + question[found.end() :]


def _goes_on(word: str) -> bool:
    """Say whether a word after a topic is no part of its name."""
    return finite_verb(word) is not None or is_participle(word) or word in _PREPOSITIONS or word.endswith("ly")


def _connected(follow_up: str, draw: random.Random) -> str:
    """Return a follow-up as somebody goes on who has read an answer."""
    connective = draw.choice(_CONNECTIVES)
    if not connective or follow_up[:4].lower() == "and ":
        return follow_up
    first = follow_up[0].upper() if connective.endswith(". ") else follow_up[0].lower()
    return connective + first + follow_up[1:]


def _is_about(follow_up: str, opening: _Opening) -> bool:
    """Say whether the rules for follow-ups take the topic from the opening, where the follow-up does not name it."""
    standing = standing_question(follow_up, [opening.question])
    topic = normalize(opening.topic)
    return standing is not None and topic in normalize(standing) and topic not in normalize(follow_up)
