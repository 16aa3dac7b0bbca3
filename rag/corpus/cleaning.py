"""What of an extracted text is kept, and how it reads once cleaned. Offsets count characters of the extracted text."""

import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rag.config import ChunkingConfig
from rag.corpus.document import DocumentText, Page

Span = tuple[int, int]

_EDGE_LINES = 3
"""Lines at the top and at the bottom of a page that may be running headers or footers."""
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]+")  # white space is not among them
_LINE = re.compile(r"[^\n]*\S[^\n]*\n?")
_NUMBER = re.compile(r"\d+")
_PAGE_WORD = re.compile(r"\bpage\s*#|\bp\.\s*#|# (?:of|/) #", re.IGNORECASE)
_UNCLEAN = re.compile(
    r"(?P<hyphen>(?<=\w)[-\u2010][^\S\n]*\n\s*(?=\w))"
    r"|(?P<invisible>\xad[^\S\n]*\n\s*(?=\w)|[\xad\u200b\u2060\ufeff])"
    r"|(?P<space>\s{2,}|[^\S \n])"
    r"|(?P<ligature>[\ufb00-\ufb06])"
)


class CleanText(NamedTuple):
    """Cleaned text, and for each of its characters the offset of the character that it comes from."""

    text: str
    origins: "array[int]"


class _EdgeLine(NamedTuple):
    """A line near the top or bottom of a page: where it is, and its text with numbers taken out."""

    page_no: int
    span: Span
    template: str
    numbers: tuple[int, ...]


def kept_spans(doc: DocumentText, config: ChunkingConfig) -> list[Span]:
    """Return the spans of the text without running headers, running footers and control characters, in order.

    A line at a page's edge is running if it repeats on at least `boilerplate_pages` pages and on most pages. Numbers
    in it may differ if they count the pages; other numbers (readings, totals) make lines different.
    """
    dropped = [match.span() for match in _CONTROL.finditer(doc.text)]
    if len(doc.pages) >= config.boilerplate_pages:
        needed = max(config.boilerplate_pages, len(doc.pages) // 2 + 1)
        dropped += _running_lines(doc, needed)
    return _complement(sorted(dropped), len(doc.text))


def clean_text(text: str, spans: Iterable[Span]) -> str:
    """Return the text of the spans as it reads: see `clean`."""
    return clean(text, spans).text


def clean(text: str, spans: Iterable[Span]) -> CleanText:
    """Join spans of a text and clean what they hold.

    White space is folded to one space, or to one line end where it has any; words hyphenated at a line's end are
    joined if they go on in lower case; soft hyphens and invisible characters are dropped; ligatures are spelled out.
    No white space is left at either end.
    """
    kept = list(spans)
    joined = "".join(text[start:end] for start, end in kept)
    sources: array[int] = array("q")
    for start, end in kept:
        sources.extend(range(start, end))
    parts: list[str] = []
    origins: array[int] = array("q")
    position = 0
    for match in _UNCLEAN.finditer(joined):
        replacement = _cleaned(match, joined)
        parts += (joined[position : match.start()], replacement)
        origins.extend(sources[position : match.start()])
        origins.extend(sources[min(match.start() + place, match.end() - 1)] for place in range(len(replacement)))
        position = match.end()
    parts.append(joined[position:])
    origins.extend(sources[position:])
    cleaned = "".join(parts)
    first = len(cleaned) - len(cleaned.lstrip())
    last = max(first, len(cleaned.rstrip()))
    return CleanText(cleaned[first:last], origins[first:last])


def _cleaned(match: re.Match[str], text: str) -> str:
    """Return what stands in the place of something unclean."""
    found = match.group()
    if match.lastgroup == "ligature":
        return unicodedata.normalize("NFKC", found)
    if match.lastgroup == "invisible":
        return ""
    if match.lastgroup == "hyphen":
        joins = text[match.start() - 1].islower() and text[match.end()].islower()
        return "" if joins else found[0] + "\n"
    return "\n" if "\n" in found or "\r" in found else " "


def _running_lines(doc: DocumentText, needed: int) -> Iterator[Span]:
    """Yield the spans of running headers and footers; each place (top, bottom) is judged by itself."""
    for at_top in (True, False):
        by_template: defaultdict[str, list[_EdgeLine]] = defaultdict(list)
        for page in doc.pages:
            for line in _edge_lines(doc.text, page, at_top):
                by_template[line.template].append(line)
        for template, lines in by_template.items():
            if len({line.page_no for line in lines}) >= needed:
                yield from (line.span for line in _with_running_numbers(template, lines, needed))


def _edge_lines(text: str, page: Page, at_top: bool) -> Iterator[_EdgeLine]:
    lines = list(_LINE.finditer(text, page.char_start, page.char_end))
    for match in lines[:_EDGE_LINES] if at_top else lines[-_EDGE_LINES:]:
        words = " ".join(match.group().split())
        numbers = tuple(int(number[:15]) for number in _NUMBER.findall(words))
        yield _EdgeLine(page.page_no, match.span(), _NUMBER.sub("#", words).casefold(), numbers)


def _with_running_numbers(template: str, lines: list[_EdgeLine], needed: int) -> list[_EdgeLine]:
    """Return the lines whose numbers stay the same or count the pages on enough pages; none if there are not enough."""
    if "#" not in template or _PAGE_WORD.search(template):
        return lines
    running = lines
    for place in range(len(lines[0].numbers)):
        same = Counter(line.numbers[place] for line in running)
        counting = Counter(line.numbers[place] - line.page_no for line in running)
        (number, n_same), (offset, n_counting) = same.most_common(1)[0], counting.most_common(1)[0]
        if n_same >= n_counting:
            running = [line for line in running if line.numbers[place] == number]
        else:
            running = [line for line in running if line.numbers[place] - line.page_no == offset]
        if len(running) < needed:
            return []
    return running


def _complement(dropped: list[Span], length: int) -> list[Span]:
    """Return what sorted, possibly overlapping spans leave of a text of this length."""
    kept, position = [], 0
    for start, end in [*dropped, (length, length)]:
        if start > position:
            kept.append((position, start))
        position = max(position, end)
    return kept
