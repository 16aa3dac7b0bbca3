"""Where spans of a document's text stand on its pages, for formats with pages of fixed layout: PDF."""

import ctypes
from collections.abc import Iterator, Sequence

import pypdfium2
import pypdfium2.raw
from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from rag.corpus.artifact import find_upload, load_text, load_upload
from rag.corpus.document import DocumentText, Page
from rag.corpus.files import MEDIA_TYPES
from rag.corpus.parsing import parse_apart
from rag.corpus.pdf import page_text
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.database import Database
from storage.tables import DocumentRow

Span = tuple[str, int, int]
"""A document's id, and character offsets into its extracted text; the last is exclusive."""
_GRAIN = 100
"""Parts of a point that are told apart."""


class Box(BaseModel):
    """A rectangle on a page as it is shown, in PDF points (1/72 inch) from its upper left corner."""

    model_config = ConfigDict(frozen=True)

    page_no: int
    x0: float
    y0: float
    x1: float
    y1: float
    page_width: float
    page_height: float


def document_boxes(
    store: ArtifactStore, database: Database, collection: str, spans: Sequence[Span]
) -> list[tuple[Box, ...]]:
    """Return the boxes of each span, one a line; none for other formats, and for documents that are gone."""
    found: dict[Span, tuple[Box, ...]] = {}
    with database.reading() as session:
        query = select(DocumentRow).where(DocumentRow.collection == collection)
        documents = session.exec(query.where(col(DocumentRow.id).in_({span[0] for span in spans}))).all()
    for row in documents:
        original = find_upload(store, row.content_sha256)
        if row.media_type == MEDIA_TYPES[".pdf"] and original is not None:
            text, data = load_text(store, ArtifactRef.parse(row.artifact_uri)), load_upload(store, original)
            asked = [span for span in spans if span[0] == row.id]
            boxes = parse_apart(row.name, pdf_boxes, data, text, [span[1:] for span in asked])
            found |= dict(zip(asked, boxes, strict=True))
    return [found.get(span, ()) for span in spans]


def pdf_boxes(data: bytes, text: DocumentText, spans: Sequence[tuple[int, int]]) -> list[tuple[Box, ...]]:
    """Return the boxes of each span of a PDF's text.

    A page whose text PDFium does not read as it was read at ingestion, such as by pypdf, has no boxes.
    """
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        return [() for _ in spans]
    try:
        return [tuple(box for page in text.pages for box in _on_page(document, page, text, *span)) for span in spans]
    finally:
        document.close()


def _on_page(document: pypdfium2.PdfDocument, page: Page, text: DocumentText, start: int, end: int) -> Iterator[Box]:
    start, end = max(start, page.char_start), min(end, page.char_end)
    known = text.text[page.char_start : page.char_end]
    if start >= end or page_text(document, page.page_no - 1).rstrip("\n") != known.rstrip("\n"):
        return
    shown = document[page.page_no - 1]
    textpage = shown.get_textpage()
    first, stop = _char_range(textpage, start - page.char_start, end - page.char_start)
    width, height = shown.get_size()
    for place in range(textpage.count_rects(first, stop - first) if stop > first else 0):
        left, bottom, right, top = textpage.get_rect(place)
        (xa, ya), (xb, yb) = _shown_at(shown, left, bottom), _shown_at(shown, right, top)
        yield Box(
            page_no=page.page_no,
            x0=min(xa, xb),
            y0=min(ya, yb),
            x1=max(xa, xb),
            y1=max(ya, yb),
            page_width=round(width, 2),
            page_height=round(height, 2),
        )


def _char_range(textpage: pypdfium2.PdfTextPage, start: int, end: int) -> tuple[int, int]:
    """Return which of PDFium's characters stand for a span of a page's text; PDFium counts UTF-16 units."""
    raw = textpage.get_text_range()
    units, at = [], 0
    for place, char in enumerate(raw):
        if _is_kept(raw, place):
            units.append(at)
        at += 2 if ord(char) > 0xFFFF else 1
    inside = units[start:end]
    chars = [pypdfium2.raw.FPDFText_GetCharIndexFromTextIndex(textpage, unit) for unit in inside]
    real = [char for char in chars if char >= 0]
    return (min(real), max(real) + 1) if real else (0, 0)


def _is_kept(raw: str, place: int) -> bool:
    r"""Tell whether a character is still there once line ends are "\n" and NULs are gone."""
    return raw[place] != "\x00" and not (raw[place] == "\r" and raw[place + 1 : place + 2] == "\n")


def _shown_at(page: pypdfium2.PdfPage, x: float, y: float) -> tuple[float, float]:
    """Return where a point of the page's own coordinates is shown, whatever its rotation and crop."""
    width, height = (round(size * _GRAIN) for size in page.get_size())
    across, down = ctypes.c_int(), ctypes.c_int()
    pypdfium2.raw.FPDF_PageToDevice(page, 0, 0, width, height, 0, x, y, across, down)
    return across.value / _GRAIN, down.value / _GRAIN
