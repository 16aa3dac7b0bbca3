"""What a collection's words tell: how rare each is, how it is written, and what its abbreviations stand for."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

TOKEN = re.compile(r"[^\W_]+(?:(?:[-‐‑'’/]|(?<=\d)\.(?=\d))[^\W_]+)*")
STOPWORDS = frozenset(
    """
    a about above across after again against all almost along already also although always am among an and another
    any are around as at away be because been before being below between both but by can cannot could did do does
    doing done down due during each either else enough etc even ever every few following for from further had has
    have having he hence her here high him his how however i if in including instead into is it its itself just
    least less like low made make many may me might more moreover most much must my near need neither never no nor
    not now of off often on once one only onto or other others our out over own per perhaps quite rather same
    several shall she should since so some such than that the their them then there therefore these they this those
    though three through throughout thus to together too toward towards two under until up upon us use used using
    very via was we well were what when where whether which while who whom whose why will with within without would
    yet you your first second third new different various recent recently show shown showed found find study studies
    result results data figure table respectively compared based number known case cases summary conclusion addition
    contrast example instance order fact role roles important importance total least most part type types kind way
    ways outside inside along behind beyond toward throughout upon january february march april may june july august
    september october november december today year years month months week weeks day days use used able due none lack
    need present previous common certain possible likely main major key
    """.split()
)
_ACRONYM = re.compile(r"\(([A-Z][A-Za-z0-9-]{1,8})s?\)")
_MAX_PHRASE = 4
_ADJECTIVE_ENDS = ("al", "ic", "ous", "ive", "able", "ible", "ary", "ful", "less", "ing", "er", "est")
_NOUNS = frozenset(
    """
    animal hospital signal trial clinic epidemic pandemic antibiotic topic metric material journal chemical mammal
    individual arrival interval manual panel survival referral protocol removal approval renewal boundary library
    summary binding signaling testing sequencing screening imaging cover order number power water paper layer buffer
    cancer fever carrier transfer receptor marker primer polymer heater filter computer customer owner carer worker
    winter summer disorder barrier liver building housing heating cooling bonding breathing sitting fitting
    """.split()
)


class Vocabulary:
    """Counts over the chunks of a collection."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Count the words of the texts, one a chunk."""
        self._n_texts = len(texts)
        self._holding: Counter[str] = Counter()
        self._lower: Counter[str] = Counter()
        self._written: dict[str, Counter[str]] = {}
        self.acronyms: dict[str, str] = {}
        """Abbreviation to what it was introduced with."""
        for text in texts:
            tokens = list(TOKEN.finditer(text))
            self._holding.update({token.group().lower() for token in tokens})
            for token in tokens:
                word = token.group()
                if not word[0].isupper():
                    self._lower[word.lower()] += 1
                elif text[max(0, token.start() - 2) : token.start()].strip(" (\"'").isalnum():
                    self._written.setdefault(word.lower(), Counter())[word] += 1
            self.acronyms.update(_introduced(text))

    def rarity(self, word: str) -> float:
        """Return the word's inverse document frequency: 0 for a stopword, 1 for a word of one chunk."""
        low = word.lower()
        if low in STOPWORDS or not self._n_texts or not any(char.isalpha() for char in low):
            return 0.0
        return max(
            0.0, math.log((self._n_texts + 1) / (self._holding[low] + 0.5)) / math.log((self._n_texts + 1) / 1.5)
        )

    def informative(self, text: str) -> list[float]:
        """Return the rarities of the distinct words of a text that are no stopwords, the rarest first."""
        rarities = (self.rarity(word) for word in {token.lower() for token in TOKEN.findall(text)})
        return sorted((rarity for rarity in rarities if rarity > 0), reverse=True)

    def is_name(self, word: str) -> bool:
        """Tell whether a word is written with a capital in the middle of sentences, or with several anywhere."""
        if any(char.isupper() for char in word[1:]) or any(char.isdigit() for char in word):
            return True
        return self._written.get(word.lower(), Counter()).total() > self._lower[word.lower()]

    def uncapitalized(self, text: str) -> str:
        """Return a sentence's beginning as it is written within a sentence."""
        head, space, tail = text.partition(" ")
        return text if self.is_name(head.strip("\"'“‘,")) else head[:1].lower() + head[1:] + space + tail

    def reabbreviated(self, text: str) -> str:
        """Return the text with its first known abbreviation written out, or the first one written out abbreviated."""
        low = text.lower()
        for short, long in self.acronyms.items():
            if long.lower() in low and short not in text:
                return re.sub(re.escape(long), short, text, count=1, flags=re.IGNORECASE)
            if short in text and long.lower() not in low and re.search(rf"\b{re.escape(short)}\b", text):
                return text.replace(short, long, 1)
        return text

    def phrases(self, text: str, breaks: Iterable[str] = ()) -> list[str]:
        """Return the runs of up to four words between stopwords, punctuation and `breaks`, in the text's order.

        Runs whose last word looks like an adjective are left out.
        """
        stops = STOPWORDS | frozenset(breaks)
        runs: list[list[str]] = [[]]
        last_end = 0
        for token in TOKEN.finditer(text):
            word = token.group()
            apart = bool(text[last_end : token.start()].strip())
            stop = word.lower() in stops or not any(char.isalpha() for char in word) or word.lower().endswith("ly")
            if apart or stop:
                runs.append([])
            if not stop:
                runs[-1].append(word)
            last_end = token.end()
        return list(
            dict.fromkeys(
                " ".join(run[-_MAX_PHRASE:])
                for run in runs
                if run and _is_noun_like(run[-1].lower()) and not _is_gerund(run[0])
            )
        )


def _is_gerund(word: str) -> bool:
    return word.lower().endswith("ing") and word.lower() not in _NOUNS


def _is_noun_like(word: str) -> bool:
    return word in _NOUNS or (len(word) > 2 and not word.endswith(_ADJECTIVE_ENDS))


def _introduced(text: str) -> dict[str, str]:
    """Return the abbreviations that the text introduces in parentheses after the words whose initials they are."""
    found: dict[str, str] = {}
    for match in _ACRONYM.finditer(text):
        short = match.group(1)
        letters = [char.lower() for char in short if char.isalpha()]
        before = TOKEN.findall(text[max(0, match.start() - 120) : match.start()])[-len(letters) - 2 :]
        for start in range(len(before)):
            words = before[start:]
            initials = [part[0].lower() for word in words for part in re.split("[-‐/]", word) if part]
            wanted = [i for i in initials if i in letters]
            if len(words) > 1 and initials[0] == letters[0] and wanted == letters:
                found[short] = " ".join(words)
                break
    return found
