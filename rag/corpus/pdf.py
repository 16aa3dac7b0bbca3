"""PDF: text by page through pypdfium2; pypdf opens what that cannot, and reads title, author and passwords."""

import io
import logging
import re
from collections.abc import Mapping

import pypdfium2
import pypdfium2.raw

from rag.errors import UnreadableDocument

logger = logging.getLogger(__name__)

_HEADER_WITHIN = 1024
_UNFIT = re.compile(r"[\x00-\x1f\ud800-\udfff\ufeff]")  # of a title
_METADATA = {"title": "/Title", "author": "/Author", "subject": "/Subject", "created": "/CreationDate"}


def read_pdf(name: str, data: bytes) -> tuple[list[str], dict[str, str]]:
    """Return the text of each page, and title, author, subject and date of creation where the file has them.

    A file that only its owner's password protects is read.

    :raises UnreadableDocument: if it is no PDF, is locked, is damaged beyond reading, or has no text layer.
    """
    if b"%PDF" not in data[:_HEADER_WITHIN]:
        raise UnreadableDocument(f"{name} is not a PDF, whatever its name says: save it as a PDF again")
    try:
        pages = _pages_by_pdfium(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise _locked(name) from None
        logger.info("pypdfium2 cannot open a PDF (error %s), pypdf reads it", error.err_code)
        pages = _pages_by_pypdf(name, data)
    if not any(char.isalnum() for page in pages for char in page):
        raise UnreadableDocument(f"{name} has no text layer: run OCR (such as ocrmypdf) over it first")
    return pages, _metadata(data)


def _pages_by_pdfium(data: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(data)
    try:
        return [page_text(document, index) for index in range(len(document))]
    finally:
        document.close()


def page_text(document: pypdfium2.PdfDocument, index: int) -> str:
    """Return the text of one page, empty if the page is broken: the others still count."""
    try:
        return _with_line_ends(document[index].get_textpage().get_text_range())
    except pypdfium2.PdfiumError:
        logger.warning("page %d of a PDF is broken: it is left out", index + 1)
        return ""


def _pages_by_pypdf(name: str, data: bytes) -> list[str]:
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise _locked(name)
        return [_with_line_ends(page.extract_text()) for page in reader.pages]
    except UnreadableDocument:
        raise
    except Exception as error:  # a broken file can raise anything
        raise UnreadableDocument(
            f"{name} is damaged ({type(error).__name__}): open it in a PDF reader and save it again"
        ) from error


def _metadata(data: bytes) -> dict[str, str]:
    """Return what the file says of itself; nothing if that part is broken, since the text is what counts."""
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted:
            reader.decrypt("")
        entries: Mapping[str, object] = reader.metadata or {}
        found = {key: str(entries[entry]) for key, entry in _METADATA.items() if entry in entries}
    except Exception as error:
        logger.info("the metadata of a PDF cannot be read (%s)", type(error).__name__)
        return {}
    cleaned = {key: " ".join(_UNFIT.sub(" ", value).split()) for key, value in found.items()}
    return {key: value for key, value in cleaned.items() if value}


def _with_line_ends(text: str) -> str:
    r"""Make line ends "\n"; undo PDFium's U+FFFE or U+0002 for a hyphen at a line's end, and halves of pairs."""
    text = re.sub(r"[\ufffe\x02]", "-", text.replace("\r\n", "\n").replace("\r", "\n")).replace("\x00", "")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _locked(name: str) -> UnreadableDocument:
    return UnreadableDocument(f"{name} is locked with a password: save a copy without one")
