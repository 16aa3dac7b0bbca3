"""A page drawn with a passage marked: the mark is looked for in the pixels, where the PDF's author put the words."""

import io

import pypdfium2
import pytest
from PIL import Image, ImageChops
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from rag.corpus.extract import extract
from rag.corpus.pictures import MAX_PIXELS, pdf_picture

LINES = ("The weathercock of the town hall", "is a gilded pike that turns", "with the wind.")
WIDTH, HEIGHT, SIZE, LEFT, TOP, STEP = 300, 400, 12, 50, 200, 20
MARGIN = 2
"""Points: the mark reaches a little beyond the letters."""


def pdf(rotation=0, pagesize=(WIDTH, HEIGHT)):
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=pagesize)
    for page in (1, 2):
        canvas.setPageRotation(rotation)
        canvas.setFont("Helvetica", SIZE)
        for place, line in enumerate(LINES):
            canvas.drawString(LEFT, TOP - STEP * place, f"{line} {page}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def place_of(word):
    """Return left, top, right and bottom of a word on the page in points: from its first letter's foot, and height."""
    line = next(place for place, line in enumerate(LINES) if word in line)
    left = LEFT + stringWidth(LINES[line][: LINES[line].index(word)], "Helvetica", SIZE)
    foot = HEIGHT - (TOP - STEP * line)
    return left, foot - SIZE, left + stringWidth(word, "Helvetica", SIZE), foot + SIZE / 4


def changed(data, scale, word, page_no=1, in_page=1):
    """Return what marking a word changes on a page: left, top, right, bottom in points; None if nothing."""
    text = extract("town.pdf", data)
    start = text.text.index(word, text.pages[in_page - 1].char_start)
    plain = Image.open(io.BytesIO(pdf_picture(data, page_no, scale).png))
    marked = Image.open(io.BytesIO(pdf_picture(data, page_no, scale, text, (start, start + len(word))).png))
    box = ImageChops.difference(plain, marked).getbbox()
    return box and tuple(pixel / scale for pixel in box)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("word", ["gilded", "weathercock", "wind"])
def test_the_mark_lies_where_the_word_stands(word, scale):
    true, found = place_of(word), changed(pdf(), scale, word)
    assert abs(found[0] - true[0]) <= MARGIN
    assert abs(found[2] - true[2]) <= MARGIN
    # Letters are no taller than the font's size, and the mark covers all of them and no other line.
    assert true[1] - MARGIN <= found[1] <= true[1] + SIZE / 2
    assert true[3] - SIZE / 2 <= found[3] <= true[3] + MARGIN


def test_the_letters_stay_legible_under_the_mark():
    data = pdf()
    text = extract("town.pdf", data)
    start = text.text.index("gilded")
    left, top, right, bottom = (round(4 * each) for each in place_of("gilded"))
    marked = Image.open(io.BytesIO(pdf_picture(data, 1, 4.0, text, (start, start + 6)).png))
    marked = marked.crop((left, top, right, bottom))
    darkest, lightest = marked.convert("L").getextrema()
    assert lightest - darkest > 120


def test_on_a_turned_page_the_mark_is_turned_with_the_word():
    turned = changed(pdf(rotation=90), 1.0, "gilded")
    left, top, right, bottom = place_of("gilded")  # a quarter to the right: what was below is now to the left
    assert turned == pytest.approx((HEIGHT - bottom, left, HEIGHT - top, right), abs=SIZE / 2)


def test_a_passage_of_another_page_marks_nothing():
    assert changed(pdf(), 1.0, "gilded", page_no=1, in_page=2) is None
    assert changed(pdf(), 1.0, "gilded", page_no=2, in_page=2) is not None


def test_a_passage_over_the_end_of_a_page_is_marked_on_both():
    data = pdf()
    text = extract("town.pdf", data)
    start, end = text.text.index("wind. 1"), text.text.index("weathercock", text.pages[1].char_start)
    drawn = [pdf_picture(data, page_no, 1.0, text, (start, end)) for page_no in (1, 2)]
    assert [(each.marked, each.pages) for each in drawn] == [(True, (1, 2)), (True, (1, 2))]


def test_a_page_that_was_read_in_other_words_says_that_nothing_is_marked():
    data = pdf()
    text = extract("town.pdf", data)
    other = text.model_copy(update={"text": text.text.replace("gilded", "golden")})
    start = other.text.index("golden")
    drawn = pdf_picture(data, 1, 1.0, other, (start, start + 6))
    assert (drawn.marked, drawn.pages) == (False, (1,))
    assert drawn.png == pdf_picture(data, 1, 1.0).png


def test_a_poster_is_drawn_smaller_than_asked():
    drawn = Image.open(io.BytesIO(pdf_picture(pdf(pagesize=(14_000, 7_000)), 1, 4.0).png))
    assert MAX_PIXELS * 0.99 < drawn.width * drawn.height < MAX_PIXELS * 1.01
    assert drawn.width / drawn.height == pytest.approx(2, abs=0.01)


def test_what_is_no_pdf_is_not_drawn():
    with pytest.raises(pypdfium2.PdfiumError):
        pdf_picture(b"%PDF-1.7 torn", 1, 1.0)
