"""A page of a PDF as it is shown, with a passage marked on it.

It runs in processes of its own, so it imports nothing that would keep those who wait for one.
"""

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import pypdfium2
from PIL import Image, ImageDraw

from rag.corpus.boxes import Box, pdf_boxes
from rag.corpus.document import DocumentText

MAX_PIXELS = 16_000_000
"""Of a picture; a larger page is drawn smaller."""
_MARK = (255, 208, 0, 104)
"""Red, green, blue and opacity: dark letters stay legible under it, and so do light ones."""
_MARGIN = 1.0
"""Points that a mark reaches beyond its letters."""


class PagePicture(NamedTuple):
    """A page of a PDF as it is shown."""

    png: bytes
    marked: bool = False
    """Whether any of the span is marked; not if another page holds it, or PDFium reads this one in other words."""
    pages: tuple[int, ...] = ()
    """All that hold some of the span, from 1."""


def pdf_picture(
    data: bytes, page_no: int, scale: float, text: DocumentText | None = None, span: tuple[int, int] | None = None
) -> PagePicture:
    """Return a page of a PDF as a PNG, marked where it holds a span of its text.

    :param page_no: from 1.
    :param scale: pixels a point (1/72 inch).
    :param span: character offsets into `text`, the last exclusive.
    :raises pypdfium2.PdfiumError: if it cannot be opened or drawn.
    """
    document = pypdfium2.PdfDocument(data)
    try:
        page = document[page_no - 1]
        width, height = page.get_size()
        scale = min(scale, math.sqrt(MAX_PIXELS / (width * height)))
        picture = page.render(scale=scale).to_pil()
    finally:
        document.close()
    boxes: list[Box] = []
    pages: tuple[int, ...] = ()
    if text and span:
        boxes = [box for box in pdf_boxes(data, text, [span])[0] if box.page_no == page_no]
        pages = tuple(page.page_no for page in text.pages if page.char_start < span[1] and span[0] < page.char_end)
    out = io.BytesIO()
    _marked(picture, boxes, scale).save(out, "PNG")
    return PagePicture(out.getvalue(), bool(boxes), pages)


def _marked(picture: Image.Image, boxes: Sequence[Box], scale: float) -> Image.Image:
    """Return a picture with marks over it, each as strong where two of them meet."""
    marks = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(marks)
    for box in boxes:
        corners = (box.x0 - _MARGIN, box.y0 - _MARGIN, box.x1 + _MARGIN, box.y1 + _MARGIN)
        pen.rectangle(tuple(scale * each for each in corners), fill=_MARK)
    return Image.alpha_composite(picture.convert("RGBA"), marks).convert("RGB")
