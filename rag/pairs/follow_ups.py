"""Follow-up questions made to stand alone, by rules: what a pronoun or an ellipsis leaves out is taken from before."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from rag.pairs.small_talk import is_small_talk, without_greeting
from rag.pairs.vocabulary import STOPWORDS, TOKEN

_CONJUNCTION = re.compile(r"^(?:(?:and|or|but|so|also|then|ok|okay)\b[\s,]*)+", re.IGNORECASE)
_CONTINUES = re.compile(
    r"^(?:(?:and|or|but|so|also|then|ok|okay)\b[\s,]*)*"
    r"(?:(?:what about|how about|(?:the )?same (?:question )?for|and|or)\b[\s,]*)(?:for (?=the\b|an?\b))?",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^(?:how|what|when|where|who|whom|whose|why|which|is|are|was|were|do|does|did|can|could|may|must|should|will|"
    r"would|has|have|had|if)\b",
    re.IGNORECASE,
)
_EXPLETIVE = re.compile(
    r"\bit (?:matters?|rains?|snows?|(?:takes?|costs?)\b.* to \w|gets? (?:\w+ )?outside)|\bdoes it (?:\w+ )?matter\b|"
    r"\bit(?:'s| is) (?:-?\d|cold|hot|freezing|raining|snowing|possible|safe|allowed|normal|necessary|worth)|"
    r"\bis it (?:possible|safe|allowed|normal|necessary|worth|ok|okay|true|better)\b|\bis it (?:\w+ ){1,2}to \w|"
    r"\bthis (?:winter|summer|spring|autumn|year|month|week|morning|evening|time|case|way)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.?!,;:]|\b(?:and|but|because|if|when|while|before|after|so)\b", re.IGNORECASE)
_PRONOUN = re.compile(
    r"\b(?P<own>its|their)\b|\b(?:it|they|them|he|she|him)\b|(?<=\bdoes )(?:that|this)\b|"
    r"\b(?:this|that|these|those|one)(?=\s*[?.!]*$)|\b(?:this|these|those) (?P<noun>[^\W_]+)",
    re.IGNORECASE,
)
_ARTICLES = frozenset("the a an my our your his her".split())
_LINKS = frozenset("of for on from".split())
_NAME = "(?:N[ND]*|CD)"
_PHRASE = re.compile(rf"(?:AC{{0,2}}{_NAME}|C?{_NAME}|AC{{1,3}})(?:LA?(?:C{{0,2}}{_NAME}|C{{1,2}}))*")
"""Over the kinds of words: Article, Content, Name, Digits, Link, Stop word or break."""
_TOLD = 2
"""Words of content from which a clause tells what a pronoun after it means, and a question needs no other."""


class Phrase(NamedTuple):
    """Such as "the warranty of the Tarn 200"."""

    text: str
    name: str
    """Its last name; empty without one."""


def self_contained(question: str, earlier: Sequence[str]) -> str | None:
    """Return a question that stands alone; None for a follow-up to which the earlier ones give no topic.

    `earlier` are the questions before it, oldest first, themselves made to stand alone. A question that stands alone
    is returned as it is.
    """
    question = " ".join(question.split())
    rest = _CONTINUES.sub("", question)
    if rest != question and not _ASKS.match(rest):
        return _asked_of_another(rest, earlier)
    asked = _CONJUNCTION.sub("", question)
    pronoun = _referring(asked)
    if pronoun is not None:
        topic = next(filter(None, map(topic_of, reversed(earlier))), None)
        return _capital(_replaced(asked, pronoun, topic.text)) if topic else None
    if _says_something(asked):
        return question if asked == question else _capital(asked)
    return f"{earlier[-1]} {question}" if earlier else None


def standing_question(question: str, earlier: Sequence[str]) -> str | None:
    """Return what `self_contained` makes of a question if those before it, oldest first, may be follow-ups too."""
    alone: list[str] = []
    for each in earlier:
        if not is_small_talk(each) and (standing := self_contained(without_greeting(each), alone)) is not None:
            alone.append(standing)
    return self_contained(without_greeting(question), alone)


def resolved_question(question: str, earlier: Sequence[str]) -> str:
    """Return the same, and the question as it was asked where nothing was before it or the rules find no topic."""
    return (standing_question(question, earlier) if earlier else None) or question


def _asked_of_another(rest: str, earlier: Sequence[str]) -> str | None:
    """Return the question before, asked of something else: "and the Skarn 8?", "what about winter?"."""
    if not earlier or not re.search(r"\w", rest):
        return None
    before, other = topic_of(earlier[-1]), topic_of(rest)
    if before and other and before.name and other.name:
        return earlier[-1].replace(before.name, other.name)
    return f"{earlier[-1].rstrip('?!. ')}, {rest.rstrip('?!. ')}?"


def _referring(question: str) -> re.Match[str] | None:
    """Return the first pronoun that stands for something said before, not for something in the question itself."""
    pronoun = _PRONOUN.search(_EXPLETIVE.sub(lambda found: "-" * len(found[0]), question))
    own = topic_of(question)
    if pronoun is None or (own and own.name) or topic_of(question[: pronoun.start()]):
        return None
    clause_ends = [end.start() for end in _CLAUSE_END.finditer(question, 0, pronoun.start())]
    told_before = _n_content(question[: clause_ends[-1]]) if clause_ends else 0
    return pronoun if told_before < _TOLD else None


def _n_content(text: str) -> int:
    return sum(kind in "CN" for kind in _kinds(text)[0])


def _replaced(question: str, pronoun: re.Match[str], topic: str) -> str:
    start, end = pronoun.span()
    if pronoun["noun"]:
        return f"{question[:end]} ({topic}){question[end:]}"
    return f"{question[:start]}{topic}{chr(39) + 's' if pronoun['own'] else ''}{question[end:]}"


def _says_something(question: str) -> bool:
    """Say whether a question has a topic or two words of content, unlike "Why?" and "For how long?"."""
    return topic_of(question) is not None or _n_content(question) >= _TOLD


def topic_of(text: str) -> Phrase | None:
    """Return what a text is about: its longest phrase with a name, else its longest one."""
    kinds, spans = _kinds(text)
    phrases = []
    for found in _PHRASE.finditer(kinds):
        names = [name.span() for name in re.finditer(_NAME, found[0])]
        first, last = names[-1] if names else (0, 0)
        name = text[spans[found.start() + first][0] : spans[found.start() + last - 1][1]] if names else ""
        phrases.append(Phrase(text[spans[found.start()][0] : spans[found.end() - 1][1]], name))
    return max(phrases, key=lambda phrase: (bool(phrase.name), len(phrase.text)), default=None)


def _kinds(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the kind of each word and of each break between words, with its span."""
    kinds, end = "", 0
    spans: list[tuple[int, int]] = []
    for token in TOKEN.finditer(text):
        if re.search(r"[?.!,;:()]", text[end : token.start()]):
            kinds, spans = kinds + "S", [*spans, (end, token.start())]
        end = token.end()
        word = re.sub(r"['’]s?$", "", token.group())
        kinds, spans = (
            kinds + _kind(word, first=token.start() == 0),
            [*spans, (token.start(), token.start() + len(word))],
        )
    return kinds, spans


def _kind(word: str, first: bool) -> str:
    low = word.lower()
    if low in _ARTICLES:
        return "A"
    if low in _LINKS:
        return "L"
    if low in STOPWORDS or _ASKS.match(low):
        return "S"
    if low.isdigit():
        return "D"
    if any(char.isdigit() for char in low) or (word[0].isupper() and not first):
        return "N"
    return "C"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
