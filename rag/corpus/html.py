"""HTML: the visible text, block by block."""

import re
from typing import Any

import lxml.etree
import lxml.html

from rag.corpus.plain import read_plain
from rag.errors import UnreadableDocument

_DROPPED = {"head", "script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "select", "button"}
_PARAGRAPHS = set(
    "address article aside blockquote body details dialog div dl fieldset figcaption figure footer form"
    " h1 h2 h3 h4 h5 h6 header hr main ol p pre section summary table ul".split()
)
_LINES = {"br", "dd", "dt", "li", "tr", "caption", "option"}
_CELLS = {"td", "th"}
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")


def read_html(name: str, data: bytes) -> tuple[str, dict[str, str]]:
    """Return the text of a page and its metadata: `title`, where there is one.

    Blocks are parted by an empty line, rows and list items by a line end, the cells of a row by a bar.

    :raises UnreadableDocument: if the bytes are no text, or tags are nested too deep to be read whole.
    """
    markup = _DECLARATION.sub("", _decode(name, data), count=1).translate(dict.fromkeys(range(3)))
    if not markup.strip():
        return "", {}
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        root = lxml.html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except lxml.etree.ParserError:  # nothing but comments
        return "", {}
    if any("depth" in entry.message.lower() for entry in parser.error_log):
        raise UnreadableDocument(f"{name} nests its tags too deep to be read whole: save it as plain text")
    title = " ".join((root.findtext(".//title") or "").split())
    return _layout(root), {"title": title} if title else {}


def _decode(name: str, data: bytes) -> str:
    """Decode by the byte order mark, else by the page's own word, else as plain text is."""
    declared = _CHARSET.search(data[:4096])
    if declared and not data.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        try:
            return read_plain(name, data.decode(declared[1].decode("ascii")).encode("utf-8", "replace"))
        except (LookupError, UnicodeDecodeError):
            pass
    return read_plain(name, data)


def _layout(root: Any) -> str:
    """Join the text of a tree in reading order. Walks without recursion: pages may nest deeper than the stack."""
    parts: list[str] = []
    pending: list[tuple[Any, bool]] = [(root, True)]
    n_preformatted = n_cells = 0
    while pending:
        element, entering = pending.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        if entering:
            dropped = not tag or tag in _DROPPED or "hidden" in element.attrib
            if dropped:
                parts.append(_folded(element.tail, n_preformatted))
                continue
            parts.append(_CELL_EDGE if tag in _CELLS and element.getprevious() is not None else _edge(tag, n_cells > 0))
            n_preformatted += tag == "pre"
            n_cells += tag in _CELLS
            parts.append(_folded(element.text, n_preformatted))
            pending.append((element, False))
            pending.extend((child, True) for child in reversed(element))
        else:
            n_preformatted -= tag == "pre"
            n_cells -= tag in _CELLS
            parts.append(_edge(tag, n_cells > 0))
            parts.append(_folded(element.tail, n_preformatted))
    return _tidy("".join(parts))


_PARAGRAPH_EDGE, _LINE_EDGE, _CELL_EDGE = "\x00", "\x01", "\x02"  # no text of a page holds them


def _edge(tag: str, in_cell: bool) -> str:
    """Return the mark for either side of an element. Paragraphs in a cell are lines, to keep its row together."""
    if tag in _PARAGRAPHS:
        return _LINE_EDGE if in_cell else _PARAGRAPH_EDGE
    return _LINE_EDGE if tag in _LINES else ""


def _folded(text: str | None, n_preformatted: int) -> str:
    if not text:
        return ""
    return text if n_preformatted else re.sub(r"[ \t\r\n\f]+", " ", text)


def _tidy(marked: str) -> str:
    """Turn the marks of edges into line ends and bars."""
    text = re.sub(r"[\x00\x01 ]*\x02[\x00\x01 ]*", " | ", marked)
    text = re.sub(r"[\x01 ]*\x00[\x00\x01 ]*", "\n\n", text)
    text = re.sub(r" *\x01[\x01 ]*", "\n", text)
    return text.strip()
