import io
import zipfile

import docx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from rag.corpus.extract import extract
from rag.errors import UnreadableDocument


def test_paragraphs_lists_and_tables_come_in_the_order_of_the_document(docx_bytes):
    document = docx.Document()
    document.core_properties.title = "Guide"
    document.add_heading("Values", 1)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["Model", "kW", "Skarn", "6\nof them"], strict=True):
        cell.text = text
    document.add_paragraph("After\tthe table")
    document.sections[0].header.paragraphs[0].text = "running header"
    read = extract("a.docx", docx_bytes(document))
    assert read.text == "Values\n\nModel | kW\nSkarn | 6 of them\n\nAfter\tthe table"
    assert read.metadata["title"] == "Guide"
    assert len(read.pages) == 1


def test_breaks_of_pages_become_pages(docx_bytes):
    document = docx.Document()
    document.add_paragraph("One").add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("Two")
    read = extract("a.docx", docx_bytes(document))
    assert [read.text[page.char_start : page.char_end].strip() for page in read.pages] == ["One", "Two"]


def test_breaks_that_word_rendered_stand_for_those_of_the_author(docx_bytes):
    document = docx.Document()
    document.add_paragraph("One").add_run().add_break(WD_BREAK.PAGE)
    run = document.add_paragraph().add_run()
    run._r.append(parse_xml(f"<w:lastRenderedPageBreak {nsdecls('w')}/>"))
    run.add_text("Two")
    assert [page.page_no for page in extract("a.docx", docx_bytes(document)).pages] == [1, 2]


def test_deleted_text_is_left_out_and_inserted_text_and_content_controls_are_read(docx_bytes):
    document = docx.Document()
    paragraph = document.add_paragraph("Now ")
    for xml in (
        "<w:del {0}><w:r><w:t>gone</w:t></w:r></w:del>",
        "<w:ins {0}><w:r><w:t>new</w:t></w:r></w:ins>",
        "<w:sdt {0}><w:sdtContent><w:r><w:t> chosen</w:t></w:r></w:sdtContent></w:sdt>",
    ):
        paragraph._p.append(parse_xml(xml.format(nsdecls("w"))))
    assert extract("a.docx", docx_bytes(document)).text == "Now new chosen"


def test_a_docx_that_is_no_zip_is_refused():
    with pytest.raises(UnreadableDocument, match="a.docx is no zip archive"):
        extract("a.docx", b"these are just words")


def test_a_locked_docx_is_refused_as_such():
    with pytest.raises(UnreadableDocument, match="a.docx is locked with a password"):
        extract("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0\x01" * 500)


def _zip(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_zip_that_is_no_word_document_is_refused():
    with pytest.raises(UnreadableDocument, match="a.docx is damaged or no Word document"):
        extract("a.docx", _zip({"readme.txt": b"hello"}))


def test_a_docx_that_would_inflate_beyond_measure_is_refused_before_it_does():
    with pytest.raises(UnreadableDocument, match="a.docx would inflate to 210 MiB in 1 parts"):
        extract("a.docx", _zip({"word/document.xml": b" " * (210 * 2**20)}))


def test_a_docx_of_too_many_parts_is_refused():
    with pytest.raises(UnreadableDocument, match="in 10001 parts"):
        extract("a.docx", _zip({f"{number}": b"" for number in range(10_001)}))
