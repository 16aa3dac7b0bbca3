"""Where a sentence that a language model quotes stands in a document."""

from rapidfuzz.distance import Indel
from rapidfuzz.fuzz import partial_ratio_alignment

from rag.pairs.folding import FoldedText, fold

_MIN_LETTERS = 12
"""Letters of a quotation at least; fewer stand in many places."""
_LONG, _FUZZY_SCORE = 24, 90.0
"""Letters from which a quotation may differ a little from the text, and how alike they must be then."""
_ANCHOR = 4
"""Letters in a row that stand in both, at the least, where a loose match begins and ends."""
_MAX_CHARS = 700
"""Characters of a quotation at most: who quotes everything has found nothing."""


def locate(quotation: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the span within `text[start:end]` that says a quotation, in its words or nearly so; None without one."""
    letters = fold(quotation)
    if len(letters) < _MIN_LETTERS or len(quotation) > _MAX_CHARS:
        return None
    folded = FoldedText(text[start:end])
    spans = folded.find(quotation)
    if spans:
        return start + spans[0][0], start + spans[0][1]
    if not _LONG <= len(letters) <= len(folded.letters):
        return None
    found = partial_ratio_alignment(letters, folded.letters, score_cutoff=_FUZZY_SCORE)
    if found is None or found.dest_end <= found.dest_start:
        return None
    window = folded.letters[found.dest_start : found.dest_end]
    equal = [block for block in Indel.opcodes(letters, window) if block.tag == "equal"]
    anchors = [block for block in equal if block.dest_end - block.dest_start >= _ANCHOR]
    if not anchors:
        return None
    first, last = folded.span(found.dest_start + anchors[0].dest_start, found.dest_start + anchors[-1].dest_end)
    return _whole_words(text, start + first, start + last, start, end)


def _whole_words(text: str, first: int, last: int, start: int, end: int) -> tuple[int, int]:
    while first > start and text[first - 1].isalnum():
        first -= 1
    while last < end and text[last].isalnum():
        last += 1
    return first, last
