"""Other ways in which people may ask for a fact: re-phrased, in part, in keywords, with slips of the keyboard.

A small model recalls a fact asked in other words only if it was taught in many (Allen-Zhu and Li, Physics of Language
Models 3.1, 2023). These are crude, and need no language model.
"""

import random
import re
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from itertools import dropwhile
from pathlib import PurePath

from rag.chat.rephrasing import rephrasings
from rag.corpus.document import DocumentText
from rag.pairs.paraphrases import reworded
from rag.pairs.vocabulary import STOPWORDS, TOKEN
from rag.pairs.words import normalize, words

_TITLED, _SLIPPED, _OPENED, _LOWERED, _MARKED = 0.6, 0.25, 0.4, 0.5, 0.5
"""Shares of variations with the document's title, a slip, an opening, no capitals, and a question mark."""
_OPENINGS = (
    "hi, ", "hello, ", "hey, ", "please tell me: ", "can you tell me: ", "quick question: ", "do you know: ",
    "sorry, ", "one question, ",
)  # fmt: skip
_LEADS = ("what about ", "how is it with ", "tell me about ", "why ", "when ", "how ", "anything on ")
_DROPPED, _STOPWORD_DROPPED = 0.1, 0.4
"""Shares of the words, and of those that say little, that are left out of a shortened question."""
_LEAST_CONTENT = 2
"""Words of the question's or the answer's content that a variation has at least."""
_ATTEMPTS = 20
_MAX_TITLE_WORDS = 8
_GENERIC = frozenset(
    "guide handbook manual document notes note instructions owner's owners user's users the a an of and for".split()
)
"""What a title may hold and nobody says."""
_BAD_TITLE = re.compile(r"untitled|^microsoft word|^document\d*$|\.\w{2,4}$|[\\/_]|^\W*$", re.IGNORECASE)


class VariationKind(StrEnum):
    """How a question is varied."""

    REPHRASED = "rephrased"
    """Asked in another form."""
    SHORTENED = "shortened"
    """With words left out."""
    PARTIAL = "partial"
    """Its beginning or its end."""
    ANSWER_WORDS = "answer words"
    """Keywords of its answer: people ask in words that the question writers have not thought of."""
    MIXED = "mixed"
    """Keywords of question and answer."""


_WEIGHTS = {
    VariationKind.REPHRASED: 0.2,
    VariationKind.SHORTENED: 0.2,
    VariationKind.PARTIAL: 0.1,
    VariationKind.ANSWER_WORDS: 0.3,
    VariationKind.MIXED: 0.2,
}


def variations(question: str, answer: str, title: str, n: int, key: str, taken: Collection[str] = ()) -> list[str]:
    """Return up to `n` variations, none of them the question, another one, or one of `taken`, whatever their marks.

    :param title: of the document, as `title_of` gives it.
    :param key: what the draws come from: the same one always gives the same variations.
    """
    seen = {normalize(question), *map(normalize, taken)}
    content = {word for word in words(f"{question} {answer}") if word not in STOPWORDS}
    found: list[str] = []
    for number in range(n):
        draw = random.Random(f"{key}:{number}")
        for _ in range(_ATTEMPTS):
            text = vary(question, answer, title, draw)
            said = normalize(text)
            if said not in seen and len(content.intersection(said.split())) >= _LEAST_CONTENT:
                seen.add(said)
                found.append(text)
                break
    return found


def vary(question: str, answer: str, title: str, draw: random.Random) -> str:
    """Return a question in another way, of a kind that is drawn."""
    (kind,) = draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    asked = _FORMS[kind](question.rstrip("?!. "), answer, draw)
    if draw.random() < _TITLED:
        asked = _with_title(asked, title, draw)
    return as_typed(asked, draw)


def as_typed(asked: str, draw: random.Random) -> str:
    """Return a question as people type: with or without capitals, question mark, greeting and slips."""
    bare = asked.rstrip("?!. ")
    if draw.random() < _SLIPPED:
        bare = _with_slip(bare, draw)
    if draw.random() < _OPENED:
        bare = draw.choice(_OPENINGS) + _uncapitalized(bare)
    if draw.random() < _LOWERED:
        bare = bare.lower()
    return f"{bare}?" if draw.random() < _MARKED else bare


def shortened(asked: str, draw: random.Random) -> str:
    """Return a question without some of its words, above all of those that say little, in everyday words."""
    every = reworded(asked, draw).split()
    kept = [
        word
        for word in every
        if draw.random() >= (_STOPWORD_DROPPED if _says_little(word) else _DROPPED) or _is_name(word)
    ]
    while kept and _says_little(kept[-1]):
        kept.pop()
    return " ".join(kept)


def title_of(text: DocumentText) -> str:
    """Return what people call a document: its title, or else its name without folder and ending, in separate words.

    What most titles begin or end with and nobody says, such as "guide", is left out, and so is a subtitle.
    """
    title = " ".join(text.metadata.get("title", "").split())
    if not title or _BAD_TITLE.search(title) or len(title.split()) > _MAX_TITLE_WORDS:
        title = re.sub(r"[-_.\s]+", " ", PurePath(text.name).stem)
    title = re.split(r": | - | – ", title)[0].strip()
    said = title.split()
    while said and _is_generic(said[-1]):
        said.pop()
    return " ".join(dropwhile(_is_generic, said)) or title


def content_words(text: str) -> list[str]:
    """Return the words of a text that say something, in its order, none twice.

    A number stands with the name before it, as in "Tarn 200", or else is left out: it is mostly what is asked for.
    """
    found: list[str] = []
    end = -1
    for token in TOKEN.finditer(text):
        word = token.group()
        if any(char.isalpha() for char in word):
            if word.lower() not in STOPWORDS:
                found.append(word)
                end = token.end()
        elif found and token.start() == end + 1 and found[-1][0].isupper() and " " not in found[-1]:
            found[-1] += f" {word}"
    return list(dict.fromkeys(found))


def _rephrased(question: str, answer: str, draw: random.Random) -> str:
    others = rephrasings(_uncapitalized(question))
    if not others:
        return shortened(question, draw)
    asked = reworded(draw.choice(others), draw)
    return asked[0].upper() + asked[1:]


def _shortened(question: str, answer: str, draw: random.Random) -> str:
    return shortened(question, draw)


def _partial(question: str, answer: str, draw: random.Random) -> str:
    """Return the beginning or the end of a question, at least half of it; words that say little dangle at neither."""
    every = question.split()
    n_kept = max(3, round(len(every) * draw.uniform(0.5, 0.8)))
    if draw.random() < 0.4:
        kept = every[:n_kept]
    else:
        kept = list(dropwhile(_says_little, every[-n_kept:]))
    while kept and _says_little(kept[-1]):
        kept.pop()
    return " ".join(kept)


def _answer_words(question: str, answer: str, draw: random.Random) -> str:
    keywords = _drawn(content_words(answer), draw.randint(2, 6), draw)
    if draw.random() < 0.4:
        draw.shuffle(keywords)
    lead = draw.choice(_LEADS) if draw.random() < 0.4 else ""
    return lead + " ".join(keywords)


def _mixed(question: str, answer: str, draw: random.Random) -> str:
    asked = content_words(question)
    keywords = [*asked, *_drawn([word for word in content_words(answer) if word not in asked], 2, draw)]
    draw.shuffle(keywords)
    return " ".join(keywords[: draw.randint(3, 6)])


_FORMS: dict[VariationKind, Callable[[str, str, random.Random], str]] = {
    VariationKind.REPHRASED: _rephrased,
    VariationKind.SHORTENED: _shortened,
    VariationKind.PARTIAL: _partial,
    VariationKind.ANSWER_WORDS: _answer_words,
    VariationKind.MIXED: _mixed,
}


def _drawn(keywords: Sequence[str], n: int, draw: random.Random) -> list[str]:
    """Return some keywords in their order."""
    places = sorted(draw.sample(range(len(keywords)), min(n, len(keywords))))
    return [keywords[place] for place in places]


def _with_title(asked: str, title: str, draw: random.Random) -> str:
    """Return a question with the title before or after it, unless it names it already."""
    bare = asked.rstrip("?!. ")
    if not title or set(words(title)) <= set(words(bare)):
        return asked
    if draw.random() < 0.5:
        return f"{title}{draw.choice((' ', ': ', ', '))}{_uncapitalized(bare)}"
    return f"{bare}{draw.choice((' ', ', ', ' - '))}{title}"


def _with_slip(asked: str, draw: random.Random) -> str:
    """Return a text with a letter left out, doubled, or exchanged with the next in one of its longer words."""
    every = asked.split(" ")
    long = [place for place, word in enumerate(every) if len(word) > 3 and word.isalpha()]
    if not long:
        return asked
    place = draw.choice(long)
    word = every[place]
    at = draw.randrange(1, len(word) - 1)
    head, tail = word[:at], word[at:]
    every[place] = draw.choice((head + tail[1:], head + tail[1] + tail[0] + tail[2:], head + head[-1] + tail))
    return " ".join(every)


def _uncapitalized(text: str) -> str:
    """Return a text that does not begin a sentence: a common word at its front loses its capital."""
    first = text.partition(" ")[0]
    return text[:1].lower() + text[1:] if first.lower() in STOPWORDS and first != "I" else text


def _is_generic(word: str) -> bool:
    return word.lower().replace("’", "'") in _GENERIC


def _says_little(word: str) -> bool:
    return normalize(word) in STOPWORDS


def _is_name(word: str) -> bool:
    return any(char.isdigit() for char in word) or word[:1].isupper()
