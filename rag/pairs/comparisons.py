"""Questions that ask how two named things differ: from a sentence that contrasts them, or from two alike."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.pairs.sentences import Sentence
from rag.pairs.verbs import finite_verb, is_participle
from rag.pairs.vocabulary import Vocabulary
from rag.pairs.words import words

_CONTRAST = re.compile(
    r"\b(?:whereas|while|compared (?:to|with)|than|in contrast|by contrast|unlike|versus|vs|but|differs? from|"
    r"different from|instead of|rather than)\b",
    re.IGNORECASE,
)
_MAX_DISTANCE = 3
"""Sentences, of one paragraph."""
_MAX_MENTIONS = 20
_TEMPLATES = (
    "How does {one} differ from {other} in {topic}?",
    "What is the difference between {one} and {other} in {topic}?",
    "How do {one} and {other} compare in {topic}?",
    "{one} vs {other} {topic}",
    "{topic}: {one} compared with {other}?",
)


@dataclass(frozen=True)
class Comparison:
    """A question over one or two sentences of a document; `last` is the later one."""

    question: str
    first: Sentence
    last: Sentence
    weight: float
    elsewhere: Sentence | None = None
    """The other half, where it stands in another document."""


def comparisons(sentences: Sequence[Sentence], vocabulary: Vocabulary) -> Iterator[Comparison]:
    """Yield what may be compared in the sentences of one document, in their order."""
    named = [_names(sentence.text, vocabulary) for sentence in sentences]
    topics = [_topics(s.text, vocabulary, _verbs(s.text), n) for s, n in zip(sentences, named, strict=True)]
    for at, sentence in enumerate(sentences):
        contrast = _CONTRAST.search(sentence.text)
        if contrast:
            ones = [name for name in named[at] if name in sentence.text[: contrast.start()]]
            others = [name for name in named[at] if name not in ones]
            yield from _asked(sentence, sentence, ones, others, topics[at], vocabulary)
        for later in range(at + 1, min(at + 1 + _MAX_DISTANCE, len(sentences))):
            shared = [t for t in topics[at] if t.lower() in sentences[later].text.lower()]
            ones = [name for name in named[at] if name not in named[later]]
            others = [name for name in named[later] if name not in named[at]]
            if (
                shared
                and sentences[later].end - sentence.start <= 600
                and sentences[later].paragraph == sentence.paragraph
            ):
                yield from _asked(sentence, sentences[later], ones, others, shared, vocabulary)


def across_documents(by_document: Mapping[str, Sequence[Sentence]], vocabulary: Vocabulary) -> Iterator[Comparison]:
    """Yield what may be compared between documents about near-alike things, as two models of one product are."""
    about = {doc_id: _subject_name(sentences, vocabulary) for doc_id, sentences in by_document.items()}
    mentions: dict[str, list[Sentence]] = {}
    for doc_id, sentences in by_document.items():
        for sentence in sentences if about[doc_id] else ():
            for topic in _topics(sentence.text, vocabulary, _verbs(sentence.text), []):
                if " " in topic:
                    mentions.setdefault(topic, []).append(sentence)
    for topic, places in mentions.items():
        for first, other in pairwise(places[:_MAX_MENTIONS]):
            one, two = about[first.doc_id], about[other.doc_id]
            if (
                first.doc_id != other.doc_id
                and one
                and two
                and _prefix_length(one, two) >= 3
                and _are_alike(one, two, False)
            ):
                question = _phrased(one, two, topic, first)
                yield Comparison(question, first, first, sum(vocabulary.informative(question)[:4]), other)


def _subject_name(sentences: Sequence[Sentence], vocabulary: Vocabulary) -> str | None:
    """Return the name that a document is about: the one that stands in an eighth of its sentences or more."""
    counts = Counter(name for sentence in sentences for name in _names(sentence.text, vocabulary))
    name, times = counts.most_common(1)[0] if counts else ("", 0)
    return name if times >= max(3, len(sentences) / 8) else None


def _phrased(one: str, other: str, topic: str, first: Sentence) -> str:
    template = _TEMPLATES[(first.start + len(topic)) % len(_TEMPLATES)]
    question = template.format(one=one, other=other, topic=topic)
    return question if question.startswith(one) else question[0].upper() + question[1:]


def _asked(
    first: Sentence,
    last: Sentence,
    ones: Sequence[str],
    others: Sequence[str],
    topics: Sequence[str],
    vocabulary: Vocabulary,
) -> Iterator[Comparison]:
    pairs = [(one, other) for one in ones for other in others if _are_alike(one, other, first is last)]
    if not pairs or not topics:
        return
    one, other = pairs[0]
    topic = max(topics, key=lambda t: (sum(vocabulary.informative(t)), t))
    question = _phrased(one, other, topic, first)
    yield Comparison(question, first, last, sum(vocabulary.informative(question)[:4]))


def _names(text: str, vocabulary: Vocabulary) -> list[str]:
    """Return the names in a text: runs of words written with capitals or digits, rare enough to stand for one thing."""
    found: list[str] = []
    run: list[str] = []
    for word in [*re.findall(r"[\w‐-]+|[^\w\s]", text), "."]:
        capital = any(char.isupper() for char in word) and vocabulary.is_name(word) and vocabulary.rarity(word) > 0.05
        if len(run) < 3 and (capital or (run and re.fullmatch(r"\d{1,3}[A-Z]?", word))):
            run.append(word)
            continue
        if run and len(run[0]) > 1 and not run[0].isdigit():
            found.append(" ".join(run))
        run = [word] if capital else []
    return list(dict.fromkeys(found))


def _topics(text: str, vocabulary: Vocabulary, breaks: set[str], names: Sequence[str]) -> list[str]:
    phrases = vocabulary.phrases(text, breaks)
    own = {word.lower() for name in names for word in name.split()}
    return [
        p for p in phrases if not own & set(p.lower().split()) and sum(vocabulary.informative(p)) > 0.5 and p.islower()
    ]


def _verbs(text: str) -> set[str]:
    return {word for word in words(text) if finite_verb(word) or is_participle(word)}


def _prefix_length(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _are_alike(one: str, other: str, contrasted: bool) -> bool:
    """Tell whether two names look like names of the same kind of thing."""
    own, others = set(one.lower().split()), set(other.lower().split())
    if own <= others or others <= own or _is_derived(one, other) or _is_derived(other, one):
        return False
    short_forms = contrasted and all(sum(char.isupper() for char in name) >= 2 for name in (one, other))
    return _prefix_length(one, other) >= 3 or one[-3:] == other[-3:] or (short_forms and _shape(one) == _shape(other))


def _is_derived(one: str, other: str) -> bool:
    """Tell whether a name is a form of another, as "VEEV-infected" and "Australian" are."""
    return re.match(rf"{re.escape(other)}(?:-|[a-z])", one) is not None


def _shape(name: str) -> str:
    """Return what kinds of character a name is made of, in order, runs folded."""
    kinds = re.sub(r"\d", "0", re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", name)))
    return re.sub(r"(.)\1+", r"\1", kinds)
