"""Plain text and Markdown: the file's characters as they are, so that offsets made elsewhere stay true."""

import codecs
import re

from rag.errors import UnreadableDocument

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x9f]")  # all but white space and the escape of terminals
_MAX_CONTROL_SHARE = 0.001
_MAX_BROKEN_SHARE = 0.1
"""UTF-8 with a few broken bytes is still UTF-8: at most this share of what is not ASCII."""
_MAX_WESTERN_SHARE = 0.3
"""Text in a Western code page is mostly ASCII; more than this says that it is some other code page."""


def read_plain(name: str, data: bytes) -> str:
    """Decode UTF-8, UTF-16 or UTF-32 with a mark, or else Windows-1252. The mark is dropped; nothing else changes.

    :raises UnreadableDocument: if the bytes are no text, or in an encoding that cannot be told.
    """
    text = _decode_marked(name, data)
    if text is None:
        if b"\0" in data:
            raise UnreadableDocument(f"{name} holds binary data, not text: save it as UTF-8 text")
        text = _decode_unmarked(name, data)
    if len(_CONTROL.findall(text)) > _MAX_CONTROL_SHARE * len(text):
        raise UnreadableDocument(f"{name} holds binary data, not text: save it as UTF-8 text")
    return text


def _decode_marked(name: str, data: bytes) -> str | None:
    """Decode what begins with a byte order mark; None if there is none."""
    marks = {
        codecs.BOM_UTF8: "utf-8-sig",
        codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
        codecs.BOM_UTF32_BE: "utf-32",
        codecs.BOM_UTF16_LE: "utf-16",
        codecs.BOM_UTF16_BE: "utf-16",
    }
    for mark, encoding in marks.items():
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise UnreadableDocument(f"{name} is broken {encoding.upper()}: save it again as UTF-8") from None
    return None


def _decode_unmarked(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    beyond_ascii = sum(not char.isascii() for char in text)
    if text.count("\ufffd") <= _MAX_BROKEN_SHARE * beyond_ascii:
        return text
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    western = sum(not char.isascii() for char in text)
    if not text or western > _MAX_WESTERN_SHARE * len(text):
        raise UnreadableDocument(f"{name} is in an encoding that cannot be told: save it as UTF-8")
    return text
