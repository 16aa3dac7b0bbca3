"""DOCX: paragraphs, lists and tables in the order of the document, then its notes."""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import docx
from docx.opc.exceptions import OpcError
from lxml import etree

from rag.errors import UnreadableDocument

MAX_INFLATED_BYTES = 200 * 2**20
MAX_ENTRIES = 10_000
_OLE = b"\xd0\xcf\x11\xe0"  # old .doc files, and the envelope of locked ones
_PAGE_BREAK = "\f"  # XML text cannot hold it
_LEFT_OUT = {"del", "moveFrom", "Fallback", "pPr", "rPr", "rt"}
"""Deleted and moved text, the second copy of a text box, properties, the small print over a word."""


class _Block(NamedTuple):
    """A piece of text, and what it belongs to: neighbours of the same list or table are parted by one line end."""

    text: str
    group: Any


def read_docx(name: str, data: bytes) -> tuple[list[str], dict[str, str]]:
    """Return the text of each page as Word last broke it (one page if it never did), and title and author.

    :raises UnreadableDocument: if it is no DOCX, is locked, is damaged, or inflates beyond measure.
    """
    _check_archive(name, data)
    try:
        document = docx.Document(io.BytesIO(data))
        blocks = list(_blocks(document.element.body))
        blocks += [block for kind in ("footnotes", "endnotes") for block in _notes(document, kind)]
        metadata = _metadata(document)
    except (OpcError, etree.LxmlError, zipfile.BadZipFile, KeyError, ValueError, AttributeError, TypeError) as error:
        raise UnreadableDocument(
            f"{name} is damaged or no Word document ({type(error).__name__}): save it again in Word as .docx"
        ) from error
    return _join(blocks).split(_PAGE_BREAK), metadata


def _check_archive(name: str, data: bytes) -> None:
    """Look at the archive's directory first: `zipfile` never inflates an entry past the size named there."""
    if data.startswith(_OLE):
        raise UnreadableDocument(f"{name} is locked with a password, or an old .doc: save a .docx copy without one")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, NotImplementedError) as error:
        raise UnreadableDocument(f"{name} is no zip archive, so no DOCX: save it again in Word as .docx") from error
    inflated = sum(entry.file_size for entry in entries)
    if inflated > MAX_INFLATED_BYTES or len(entries) > MAX_ENTRIES:
        raise UnreadableDocument(
            f"{name} would inflate to {inflated / 2**20:.0f} MiB in {len(entries)} parts: split it into smaller files"
        )


def _metadata(document: Any) -> dict[str, str]:
    core = document.core_properties
    entries = {"title": core.title, "author": core.author, "subject": core.subject}
    return {key: " ".join(value.split()) for key, value in entries.items() if value and value.strip()}


def _blocks(container: Any) -> Iterator[_Block]:
    """Yield paragraphs and table rows below an element, in reading order."""
    for child in container.iterchildren(tag=etree.Element):
        kind = _kind(child)
        if kind == "p":
            yield _Block(_paragraph_text(child).strip(" \t\n"), _list_of(child))
        elif kind == "tbl":
            yield from (_Block(row, child) for row in _rows(child))
        elif kind not in _LEFT_OUT:  # content controls, tracked insertions and the like hold blocks in turn
            yield from _blocks(child)


def _paragraph_text(paragraph: Any) -> str:
    r"""Join what a paragraph shows; the breaks of pages stand in it as "\f"."""
    parts: list[str] = []
    pending = [iter(paragraph)]
    while pending:  # no recursion: files can nest deeper than the stack
        element = next(pending[-1], None)
        if element is None:
            pending.pop()
            continue
        kind = _kind(element)
        if kind == "t":
            parts.append(element.text or "")
        elif kind in _MARKS:
            parts.append(_MARKS[kind])
        elif kind == "br":
            parts.append(_HARD_BREAK if _attribute(element, "type") == "page" else "\n")
        elif kind not in _LEFT_OUT:
            if kind == "p":  # of a text box
                parts.append("\n")
            pending.append(iter(element))
    return "".join(parts)


_HARD_BREAK = "\x0e"  # asked for by the author; Word's own breaks, where there are any, stand for these too
_MARKS = {"tab": "\t", "cr": "\n", "noBreakHyphen": "-", "lastRenderedPageBreak": _PAGE_BREAK}


def _rows(table: Any) -> Iterator[str]:
    """Yield a table's rows, cells joined by bars; a table within a cell is folded into it."""
    for row in _children(table, "tr"):
        cells = []
        for cell in _children(row, "tc"):
            texts = [block.text for block in _blocks(cell)]
            cells.append(" ".join(texts).replace(_HARD_BREAK, " "))
        line = " | ".join(re.sub(r"\s+", " ", cell.replace(_PAGE_BREAK, " ")).strip() for cell in cells)
        if line.strip(" |"):
            yield (_PAGE_BREAK if any(_PAGE_BREAK in cell for cell in cells) else "") + line


def _notes(document: Any, kind: str) -> Iterator[_Block]:
    """Yield the footnotes or endnotes, which lie in a part of their own."""
    for relation in document.part.rels.values():
        if relation.is_external or not relation.reltype.endswith("/" + kind):
            continue
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        for note in etree.fromstring(relation.target_part.blob, parser=parser):
            if _attribute(note, "type") in (None, "normal"):
                yield from _blocks(note)


def _children(element: Any, kind: str) -> Iterator[Any]:
    """Yield the rows of a table or the cells of a row, those within content controls too."""
    for child in element.iterchildren(tag=etree.Element):
        if _kind(child) == kind:
            yield child
        elif _kind(child) in ("sdt", "sdtContent", "ins", "customXml"):
            yield from _children(child, kind)


def _list_of(paragraph: Any) -> str | None:
    """Return the id of the list that a paragraph is an item of."""
    number = paragraph.find("{*}pPr/{*}numPr/{*}numId")
    return None if number is None else _attribute(number, "val")


def _kind(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _attribute(element: Any, name: str) -> str | None:
    """Return an attribute of the element's own namespace."""
    value: str | None = element.get(f"{{{etree.QName(element).namespace}}}{name}")
    return value


def _join(blocks: list[_Block]) -> str:
    """Part the blocks by line ends and settle which breaks of pages count: Word's own if it left any."""
    parts: list[str] = []
    before: _Block | None = None
    for block in blocks:
        if not block.text:
            continue
        if before is not None:
            same = block.group is not None and block.group == before.group
            parts.append("\n" if same else "\n\n")
        parts.append(block.text)
        before = block
    text = "".join(parts)
    return text.replace(_HARD_BREAK, "\n" if _PAGE_BREAK in text else _PAGE_BREAK)
