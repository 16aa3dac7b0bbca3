"""Where spans of a PDF's text stand on its pages.

It runs in processes of its own, so it imports nothing that would keep those who wait for one.
"""

import ctypes
from collections.abc import Iterator, Sequence

import pypdfium2
import pypdfium2.raw
from pydantic import BaseModel, ConfigDict

from rag.corpus.document import DocumentText, Page
from rag.corpus.pdf import page_text

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
