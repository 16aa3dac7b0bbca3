"""How far an answer says what was expected, by its words."""

import re
import string
from collections import Counter

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_MARKS = str.maketrans("", "", string.punctuation)


def token_f1(said: str, expected: str) -> float:
    """Return the harmonic mean of the words' precision and recall, 0 to 1, as SQuAD has it (Rajpurkar et al. 2016)."""
    ours, theirs = _words(said), _words(expected)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs)) if shared else 0.0


def exact_match(said: str, expected: str) -> float:
    """Return 1 if both are the same words in the same order, else 0."""
    return float(_words(said) == _words(expected))


def _words(text: str) -> list[str]:
    """Return lower-case words, without articles and punctuation."""
    return _ARTICLES.sub(" ", text.lower().translate(_MARKS)).split()
