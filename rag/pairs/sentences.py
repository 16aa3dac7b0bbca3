"""The sentences of a chunk that are worth a question, with their offsets in the document."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.corpus.document import Chunk
from rag.pairs.folding import FoldedText

_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|et al|al|Figs?|Dr|Mr|Mrs|Ms|Prof|St|vs|approx|spp?|ssp|subsp|cf|Eqs?|Refs?|Nos?|no|vol|"
    r"pp|ca|Inc|Ltd|Co|resp|"
    r"incl|max|min|U\.S|U\.K|Ph\.D)|\b[A-Z])\.$"
)
_END = re.compile(r"[.!?]['\"”’)\]]*(?=\s|$)(?:\s*\[[\d,;\s–-]+\])*")
_CITATION = re.compile(
    r"\s*\[\d[\d,;\s–-]*\]|\s*\(\s*\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*\s*\)(?=[\s.,;]|$)|"
    r"\s*\((?:see |e\.g\.,? )?(?:Supplementary |Additional |Supporting )?(?:Figs?|Figures?|Tables?|Eqs?|Files?|"
    r"Appendix|Section)\b[^)]*\)|"
    r"\s*\([^()]*(?:et al\.?|[A-Z][a-z]+ (?:and|&) [A-Z][a-z]+),?[^()]*\d{4}[a-z]?[^()]*\)|"
    r"\s*\([A-Z][a-z]+,? \d{4}[a-z]?\)"
)
_MARK = re.compile(r"^(?:#{1,6}\s+|>\s+|[-*+•‣]\s+|\(?\d{1,2}[.)]\s+)+")
_LABEL = re.compile(
    r"^(?:Abstract|Text|Background|Objectives?|Methods?|Results?|Conclusions?|Summary|Introduction|Discussion|"
    r"Note|[A-Z][A-Z /&-]{3,60}):\s+|^\d{1,3}(?:\.\d+)*\.? (?=[A-Z][a-z])"
)
_BOILERPLATE = re.compile(
    r"https?:|www\.|\bdoi\b|©|copyright|all rights reserved|licen[cs]e\b|\bet al\b|competing interest|"
    r"conflicts? of interest|"
    r"\b(?:supported|funded) by\b|\bgrants?\b.*\bfrom\b|\backnowledge|\bcorrespond(?:ence|ing author)|we thank|"
    r"authors? (?:declare|contribut)|"
    r"(?:Figure|Fig\.|Table|Section|Appendix|Additional file) \w?\d|accession n|\b(?:above|below|aforementioned|"
    r"herein)\b|"
    r"contributed equally|\btable\b|\*|\bthis (?:review|article|paper|chapter|manuscript)\b|ethic(?:s|"
    r"al) (?:committee|approval)|informed consent|[=<>±∼~|{}\\^]|\?\?|"
    r"(?:in|using|with) (?:SPSS|STATA|SAS)\b|\bp ?[<=]|[A-Z][a-z]+ [A-Z]{1,2}, [A-Z][a-z]+ [A-Z]{1,2}\b",
    re.IGNORECASE,
)
_MIN_WORDS, _MAX_WORDS = 6, 45


@dataclass(frozen=True)
class Sentence:
    """A sentence of a chunk. `text` is without citations and marks; `start:end` is its span in the document."""

    doc_id: str
    document: str
    chunk_id: str
    start: int
    end: int
    text: str
    heading: str
    """The heading above it, empty if there is none in the chunk."""
    paragraph: int
    """Its paragraph within the chunk, from 0."""
    number: int
    """Its place in the chunk, from 0, sentences that are not worth a question counted."""


def chunk_sentences(chunk: Chunk, document_text: str) -> list[Sentence]:
    """Return the whole sentences of a chunk that say something and can be found in the document's text."""
    raw = FoldedText(document_text[chunk.char_start : chunk.char_end])
    found: list[Sentence] = []
    cursor = 0
    for number, (paragraph, heading, quoted) in enumerate(_split(chunk, document_text)):
        spans = [span for span in raw.find(quoted) if span[0] >= cursor]
        if not spans:
            continue
        cursor = spans[0][1]
        text = without_citations(quoted)
        if _is_worth_asking(text):
            start, end = chunk.char_start + spans[0][0], chunk.char_start + spans[0][1]
            found.append(
                Sentence(chunk.doc_id, chunk.document, chunk.chunk_id, start, end, text, heading, paragraph, number)
            )
    return found


def split_sentences(paragraph: str) -> list[str]:
    """Cut a paragraph after its full stops, but not after abbreviations, initials or within numbers."""
    sentences: list[str] = []
    start = 0
    for end in _END.finditer(paragraph):
        so_far, rest = paragraph[start : end.end()], paragraph[end.end() :].lstrip()
        stop = paragraph[start : end.start() + 1]
        if not rest or (
            not _ABBREVIATION.search(stop) and (rest[0].isupper() or rest[0].isdigit() or rest[0] in "\"'“‘([*")
        ):
            sentences.append(so_far.strip())
            start = end.end()
    if paragraph[start:].strip():
        sentences.append(paragraph[start:].strip())
    return sentences


def without_citations(sentence: str) -> str:
    """Return the sentence without references, list marks, labels and Markdown emphasis, on one line."""
    text = _LABEL.sub("", _MARK.sub("", " ".join(sentence.split())))
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("**", "").replace("`", "").replace("__", "")
    text = _CITATION.sub("", text)
    return re.sub(r"\s+([.,;:])", r"\1", text).strip()


def _split(chunk: Chunk, document_text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the paragraph, the heading above and the text of each sentence; a cut one at its start is left out."""
    heading = ""
    begins_whole = document_text[: chunk.char_start].rstrip()[-1:] in {"", ".", "!", "?", ":", "]", ")"}
    for number, paragraph in enumerate(paragraphs(chunk.text)):
        if paragraph.startswith("#") or _is_heading(paragraph):
            heading = paragraph.lstrip("#").strip(" *:")
            continue
        for place, sentence in enumerate(split_sentences(paragraph)):
            if number or place or begins_whole:
                yield number, heading, sentence


def paragraphs(text: str) -> list[str]:
    """Join the lines that a page's width has broken; every other line stands for itself."""
    joined: list[str] = []
    last = ""
    for line in text.split("\n"):
        wrapped = (
            len(last) >= 40 and last[-1] not in ".!?:;|" and not _MARK.match(line) and not last.startswith(("#", "|"))
        )
        if joined and last and line.strip() and wrapped and (line.lstrip()[0].islower() or len(last) >= 60):
            joined[-1] += " " + line.strip()
        elif line.strip():
            joined.append(line.strip())
        last = line.strip()
    return joined


def _is_heading(line: str) -> bool:
    return len(line) < 60 and line[-1] not in ".!?,;|" and line[0].isupper() and len(line.split()) <= 8


def _is_worth_asking(text: str) -> bool:
    n_words = len(text.split())
    letters = sum(char.isalpha() or char.isspace() for char in text)
    return (
        _MIN_WORDS <= n_words <= _MAX_WORDS
        and text[0].isalnum()
        and not text[0].islower()
        and text.rstrip("\"'”’)]").endswith((".", "!"))
        and letters >= 0.8 * len(text)
        and not _BOILERPLATE.search(text)
    )
