"""Questions as bags of words: what counts as the same question, for deduplication and against leaks."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Return the lower-case words of a text, without punctuation; compatibility characters are folded."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def normalize(text: str) -> str:
    """Return the text as one line of its words."""
    return " ".join(words(text))
