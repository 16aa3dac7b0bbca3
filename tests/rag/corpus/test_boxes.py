"""Where a span of a document stands on its PDF page, checked against what the page holds there."""

import io

import pypdfium2
import pytest
from reportlab.pdfgen.canvas import Canvas

from rag.config import ChunkingConfig
from rag.corpus.artifact import active_documents, load_text
from rag.corpus.boxes import pdf_boxes
from rag.corpus.extract import extract
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.corpus.places import document_boxes
from storage.artifacts import ArtifactRef

LINES = (
    "The weathercock of the town hall",
    "is a gilded pike, caf\u00e9 \U0001f41f style,",
    "and turns with the wind.",
)


def pdf(rotation=0, pages=2):
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(300, 400))
    for page in range(pages):
        canvas.setPageRotation(rotation)
        for place, line in enumerate(LINES):
            canvas.drawString(50, 200 - 20 * place, f"{line} {page}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def read_there(data, box):
    """Return the text that PDFium finds in a box of an unrotated page."""
    page = pypdfium2.PdfDocument(data)[box.page_no - 1]
    bottom, top = box.page_height - box.y1, box.page_height - box.y0
    return page.get_textpage().get_text_bounded(box.x0 - 1, bottom - 1, box.x1 + 1, top + 1)


def test_boxes_hold_the_words_of_the_span_line_by_line():
    data = pdf()
    text = extract("town.pdf", data)
    start = text.text.index("gilded", text.pages[1].char_start)
    end = text.text.index("turns", start) + len("turns")
    (boxes,) = pdf_boxes(data, text, [(start, end)])
    assert {box.page_no for box in boxes} == {2}
    words = " ".join(read_there(data, box) for box in boxes)
    assert "gilded pike" in words
    assert "turns" in words
    assert "weathercock" not in words
    assert "wind" not in words
    assert (boxes[0].page_width, boxes[0].page_height) == (300, 400)


def test_a_span_over_two_pages_has_boxes_on_both():
    data = pdf()
    text = extract("town.pdf", data)
    (boxes,) = pdf_boxes(data, text, [(0, len(text.text))])
    assert {box.page_no for box in boxes} == {1, 2}


def test_boxes_of_a_turned_page_lie_on_it_as_it_is_shown():
    data = pdf(rotation=90, pages=1)
    text = extract("town.pdf", data)
    start = text.text.index("weathercock")
    (boxes,) = pdf_boxes(data, text, [(start, start + len("weathercock"))])
    (box,) = boxes
    assert (box.page_width, box.page_height) == (300, 400)
    assert box.y1 - box.y0 > box.x1 - box.x0  # the line runs down
    assert 0 <= box.x0 < box.x1 <= 300
    assert 0 <= box.y0 < box.y1 <= 400


def test_text_that_was_read_otherwise_has_no_boxes():
    data = pdf()
    text = extract("town.pdf", data)
    other = text.model_copy(update={"text": text.text.replace("gilded", "silver")})
    assert pdf_boxes(data, other, [(0, 20)]) == [()]
    assert pdf_boxes(b"%PDF-1.7 torn", text, [(0, 20)]) == [()]


@pytest.fixture
def ingested(space):
    folder = space.home / "in"
    folder.mkdir()
    (folder / "town.pdf").write_bytes(pdf())
    (folder / "town.md").write_text(" ".join(LINES))
    intake = seal_uploads(space.artifacts, space.database, "default", [str(folder)])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, ChunkingConfig())
    return {row.name: row for row in active_documents(space.database, "default")}


def test_documents_of_other_formats_or_collections_have_none(space, ingested):
    place = ingested["town.pdf"]
    text = load_text(space.artifacts, ArtifactRef.parse(place.artifact_uri)).text
    start = text.index("gilded")
    spans = [(place.id, start, start + 6), (ingested["town.md"].id, 0, 9), ("0" * 16, 0, 9)]
    (box,), of_markdown, of_nothing = document_boxes(space.artifacts, space.database, "default", spans)
    assert box.page_no == 1
    assert of_markdown == of_nothing == ()
    assert document_boxes(space.artifacts, space.database, "other", spans) == [(), (), ()]
