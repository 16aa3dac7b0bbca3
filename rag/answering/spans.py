"""The sentences of chunks, and where the characters of a chunk stand in its document."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from rag.config import ChunkingConfig
from rag.corpus.artifact import load_text
from rag.corpus.cleaning import Span, clean, kept_spans
from rag.corpus.document import Chunk, Page
from rag.pairs.sentences import paragraphs, split_sentences, without_citations
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.database import Database
from storage.tables import DocumentRow

_DOCUMENTS = 128
"""Texts of documents that are kept open."""
_INK = re.compile(r"\S")
_HEADING = re.compile(r"^#|^[A-Z][^\d:]{0,60}[^\s.!?,;|:\d]$|\?$")
_SHORT_WORDS = 6
"""Words of a sentence that hardly stands alone, and is cited with a neighbour."""
_NEIGHBOUR_CHARS = 400
"""Characters of a neighbour at most."""


class Sentence(NamedTuple):
    """A sentence of a chunk; its span counts characters of the chunk's text."""

    start: int
    end: int
    text: str
    """As it reads: on one line, without references to literature, list marks and labels."""


class _Opened(NamedTuple):
    """A document's text, and what of it is kept when it is cleaned."""

    text: str
    pages: tuple[Page, ...]
    kept: list[Span]


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of a chunk's text in order; lines that a page's width has broken are joined."""
    ink = [match.start() for match in _INK.finditer(text)]
    found: list[Sentence] = []
    at = 0
    for paragraph in paragraphs(text):
        for sentence in split_sentences(paragraph):
            n_ink = len(_INK.findall(sentence))  # cutting and joining change no character but white space
            found.append(Sentence(ink[at], ink[at + n_ink - 1] + 1, without_citations(sentence)))
            at += n_ink
    return found


def is_heading(written: str) -> bool:
    """Say whether a sentence, as it is written, is a heading or a question: it names what follows, answers nothing."""
    return _HEADING.search(written) is not None


def widened(text: str, place: int) -> Span:
    """Return the span of a sentence by its place; a short one with the sentence before it, or else the one after."""
    own = sentences(text)
    start, end = own[place].start, own[place].end
    if len(own[place].text.split()) >= _SHORT_WORDS:
        return start, end
    if place and end - own[place - 1].start <= end - start + _NEIGHBOUR_CHARS:
        return own[place - 1].start, end
    if place + 1 < len(own) and own[place + 1].end - end <= _NEIGHBOUR_CHARS:
        return start, own[place + 1].end
    return start, end


class Origins:
    """Finds where a span of a chunk stands in its document; several threads may use it at once."""

    def __init__(self, store: ArtifactStore, database: Database, chunking: ChunkingConfig) -> None:
        self._store, self._database, self._chunking = store, database, chunking
        self._opened: Callable[[str], _Opened | None] = lru_cache(_DOCUMENTS)(self._open)

    def find(self, chunk: Chunk, span: Span) -> tuple[Span, str]:
        """Return a span of a chunk's text as offsets into the document's extracted text, and how it reads.

        It is the whole chunk where the document is gone, or was cleaned otherwise than now.
        """
        whole = (chunk.char_start, chunk.char_end), chunk.text
        opened = self._opened(chunk.doc_id)
        if opened is None:
            return whole
        text, kept = opened.text, opened.kept
        first, last = chunk.char_start, chunk.char_end
        own = [(max(start, first), min(end, last)) for start, end in kept if start < last and end > first]
        cleaned = clean(text, own)
        if cleaned.text != chunk.text:
            return whole
        start, end = span
        return (cleaned.origins[start], cleaned.origins[end - 1] + 1), chunk.text[start:end]

    def page_no(self, chunk: Chunk, place: int) -> int:
        """Return the page of a place in a chunk's document."""
        opened = self._opened(chunk.doc_id)
        pages = [page.page_no for page in opened.pages if page.char_start <= place] if opened else []
        return pages[-1] if pages else chunk.page_no

    def _open(self, doc_id: str) -> _Opened | None:
        with self._database.reading() as session:
            row = session.get(DocumentRow, doc_id)
            ref = ArtifactRef(kind="document", digest=row.artifact_digest, uri=row.artifact_uri) if row else None
        if ref is None:
            return None
        document = load_text(self._store, ref)
        return _Opened(document.text, document.pages, kept_spans(document, self._chunking))
