"""Bytes of a file -> its text. The suffix says which reader; the reader looks at the bytes."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from rag.corpus.document import DocumentText, Page
from rag.corpus.files import KNOWN_SUFFIXES, MEDIA_TYPES
from rag.errors import UnreadableDocument


def extract(name: str, data: bytes) -> DocumentText:
    """Return the text of a file. Run it through `extract_all` for files from elsewhere: parsers can hang or crash.

    :raises UnreadableDocument: if the kind is unknown, the bytes are not of that kind, or no text is in it.
    """
    media_type = media_type_of(name)
    if not data:
        raise UnreadableDocument(f"{name} is empty: put text in it or leave it out")
    if not any(data[:4096]) and not any(data):
        raise UnreadableDocument(f"{name} holds nothing but zeros: restore it from a backup or leave it out")
    pages, metadata = _read(name, media_type, data)
    if not any(page.strip() for page in pages):
        raise UnreadableDocument(f"{name} has no text in it: put text in it or leave it out")
    return lay_pages(name, media_type, pages, metadata)


def media_type_of(name: str) -> str:
    """Return the media type that a name's suffix stands for.

    :raises UnreadableDocument: if the suffix is unknown.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in MEDIA_TYPES:
        raise UnreadableDocument(f"{name} is of a kind that is not read: save it as one of {KNOWN_SUFFIXES}")
    return MEDIA_TYPES[suffix]


def lay_pages(name: str, media_type: str, pages: Sequence[str], metadata: dict[str, str]) -> DocumentText:
    """Lay pages end to end; each but the last ends in a line end."""
    ended = [page if page.endswith("\n") else page + "\n" for page in pages[:-1]] + list(pages[-1:])
    laid, start = [], 0
    for page_no, page in enumerate(ended, start=1):
        laid.append(Page(page_no=page_no, char_start=start, char_end=start + len(page)))
        start += len(page)
    return DocumentText(name=name, media_type=media_type, text="".join(ended), pages=tuple(laid), metadata=metadata)


def _read(name: str, media_type: str, data: bytes) -> tuple[list[str], dict[str, str]]:
    """Return pages and metadata. Each parser is loaded when its first file comes."""
    if media_type == MEDIA_TYPES[".pdf"]:
        from rag.corpus.pdf import read_pdf

        return read_pdf(name, data)
    if media_type == MEDIA_TYPES[".docx"]:
        from rag.corpus.docx import read_docx

        return read_docx(name, data)
    if media_type == MEDIA_TYPES[".html"]:
        from rag.corpus.html import read_html

        text, metadata = read_html(name, data)
        return [text], metadata
    from rag.corpus.plain import read_plain

    return [read_plain(name, data)], {}
