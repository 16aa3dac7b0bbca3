"""The place that a citation names: the page of a PDF with the passage marked, or the passage among its neighbours."""

from base64 import b64encode
from html import escape

import streamlit as st

from app.page.client import Api, ApiError, Json
from app.page.plain import label, problem

_OPENED = "opened"
_NO_PLACE = (404, 405)
"""What the API says of documents that are gone, and one that shows no places of all."""


def show(api: Api, collection: str, citation: Json) -> None:
    """Show where a citation stands; its quote alone if the server shows no places, or the document is gone."""
    st.caption(label(f"{citation['document']}, page {citation['page_no']}"))
    try:
        image, text = _place(api, collection, citation)
    except ApiError as error:
        if error.status not in _NO_PLACE:
            problem(str(error))
        image, text = None, {"before": "", "passage": citation["quote"], "after": ""}
    if image:
        _show_page(image, citation)
        with st.container(key=_key("marked", citation)):
            st.text(citation["quote"])
    elif text:
        _show_text(text, citation)


def _place(api: Api, collection: str, citation: Json) -> tuple[bytes | None, Json | None]:
    """Return the image of the page, or the text about the passage; asked for once a visit."""
    known = st.session_state.setdefault(_OPENED, {})
    span = (citation["doc_id"], citation["char_start"], citation["char_end"])
    if (collection, *span) not in known:
        if citation["document"].lower().endswith(".pdf"):
            found = api.page_image(collection, span[0], citation["page_no"], *span[1:]), None
        else:
            found = None, api.passage(collection, *span)
        known[(collection, *span)] = found
    return known[(collection, *span)]


def _show_page(image: bytes, citation: Json) -> None:
    """Show a page with words for those who do not see it, which st.image has no place for."""
    words = escape(f"Page {citation['page_no']} of {citation['document']}, with the passage marked")
    data = b64encode(image).decode()
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
