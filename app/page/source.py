"""The place that a citation names: the page of a PDF with the passage marked, or the passage among its neighbours."""

from base64 import b64encode
from html import escape
from typing import NamedTuple

import streamlit as st

from app.page.client import Api, ApiError, Json, PagePicture
from app.page.plain import label, problem

_OPENED = "opened"
_NO_PLACE = (404, 405)
"""What the API says of documents that are gone, and one that shows no places of all."""


class _Place(NamedTuple):
    """Where a citation stands: on pages, by number, or else in a text."""

    pages: dict[int, PagePicture]
    text: Json | None


def show(api: Api, answer: Json, citation: Json | None) -> None:
    """Show where the citation that is open stands; its quote alone if no places are shown, or the document is gone.

    :param citation: of the answer; None if none is open.
    """
    if citation is None:
        _opened().pop(answer["id"], None)
        return
    st.caption(label(f"{citation['document']}, page {citation['page_no']}"))
    try:
        pages, text = _place(api, answer, citation)
    except ApiError as error:
        if error.status not in _NO_PLACE:
            problem(str(error))
        pages, text = {}, {"before": "", "passage": citation["quote"], "after": ""}
    if text:
        _show_text(text, citation)
        return
    with st.container(key=_key("marked", citation)):  # first: the mark itself may lie below the window's end
        st.text(" ".join(citation["quote"].split()))  # lines as they are broken on the page
    for page_no, picture in pages.items():
        _show_page(f"Page {page_no} of {citation['document']}", picture)


def _place(api: Api, answer: Json, citation: Json) -> _Place:
    """Return where a citation stands; asked for once as long as it is open."""
    known, place = _opened().get(answer["id"], (None, _Place({}, None)))
    if known != citation["number"]:
        collection = answer["collection"]
        doc_id, start, end = citation["doc_id"], citation["char_start"], citation["char_end"]
        if citation["document"].lower().endswith(".pdf"):
            page_no = citation["page_no"]
            pages = {page_no: api.page_picture(collection, doc_id, page_no, start, end)}
            for other in pages[page_no].pages:
                pages[other] = pages.get(other) or api.page_picture(collection, doc_id, other, start, end)
            place = _Place(pages, None)
        else:
            place = _Place({}, api.passage(collection, doc_id, start, end))
        _opened()[answer["id"]] = citation["number"], place
    return place


def _opened() -> dict[str, tuple[int, _Place]]:
    """Return the place that is open of each answer, with the number of its citation."""
    kept: dict[str, tuple[int, _Place]] = st.session_state.setdefault(_OPENED, {})
    return kept


def _show_page(name: str, picture: PagePicture) -> None:
    """Show a page with words for those who do not see it, which st.image has no place for."""
    if not picture.marked:
        st.caption("The passage is not marked: the page's text reads otherwise here than when the document was added.")
    words = escape(f"{name}, with the passage marked" if picture.marked else name)
    data = b64encode(picture.png).decode()
    st.html(f'<img class="source-page" alt="{words}" src="data:image/png;base64,{data}">')


def _show_text(text: Json, citation: Json) -> None:
    if text["before"].strip():
        with st.container(key=_key("around-before", citation)):
            st.text(f"…{text['before'].strip()}")
    with st.container(key=_key("marked", citation)):
        st.text(text["passage"])
    if text["after"].strip():
        with st.container(key=_key("around-after", citation)):
            st.text(f"{text['after'].strip()}…")


def _key(part: str, citation: Json) -> str:
    return f"{part}-{citation['doc_id']}-{citation['char_start']}-{citation['char_end']}-{id(citation)}"
