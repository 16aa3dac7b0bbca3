import pytest

from rag.corpus.extract import extract
from rag.errors import UnreadableDocument


def test_pages_lie_end_to_end_over_the_text(make_pdf):
    document = extract("a.pdf", make_pdf([["First page", "second line"], [], ["Third page"]], title="Guide"))
    assert [document.text[page.char_start : page.char_end].strip() for page in document.pages] == [
        "First page\nsecond line",
        "",
        "Third page",
    ]
    assert "".join(document.text[page.char_start : page.char_end] for page in document.pages) == document.text
    assert [page.page_no for page in document.pages] == [1, 2, 3]
    assert document.metadata["title"] == "Guide"
    assert "\r" not in document.text


def test_a_user_password_locks_a_pdf(make_pdf):
    with pytest.raises(UnreadableDocument, match="a.pdf is locked with a password: save a copy without one"):
        extract("a.pdf", make_pdf([["Secret"]], user="tell-no-one"))


def test_a_pdf_that_only_its_owner_locked_is_read(make_pdf):
    document = extract("a.pdf", make_pdf([["Open text"]], title="Guide", user=""))
    assert (document.text, document.metadata["title"]) == ("Open text", "Guide")


def test_a_scan_is_sent_to_ocr(make_pdf):
    with pytest.raises(UnreadableDocument, match="a.pdf has no text layer: run OCR"):
        extract("a.pdf", make_pdf([[], []]))


@pytest.mark.parametrize("data", [b"PK\x03\x04 a zip", b"plain words"])
def test_a_file_without_the_mark_of_a_pdf_is_refused(data):
    with pytest.raises(UnreadableDocument, match="a.pdf is not a PDF"):
        extract("a.pdf", data)


def test_a_pdf_cut_to_its_head_is_damaged(make_pdf):
    with pytest.raises(UnreadableDocument, match="a.pdf (is damaged|has no text)"):
        extract("a.pdf", make_pdf([["Text"]])[:60])
