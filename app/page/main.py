"""The script that Streamlit runs for each visit and each click."""

from functools import partial
from pathlib import Path

import streamlit as st

from app.page import ask, documents, learning, session
from app.page.plain import STYLE
from app.page.visits import open_visit


def main() -> None:
    """Draw the page."""
    open_visit()
    # A picture of our own: the browser would fetch an icon that is only named from elsewhere.
    icon = Path(__file__).with_name("icon.png")
    st.set_page_config("ragloop", page_icon=icon, layout="wide" if ask.is_wide() else "centered")
    st.html(STYLE)
    connected = session.signed_in()
    if connected is None:
        return
    api, ways = connected
    if ways is None:
        documents.show_uploads(api, session.collection())
        ask.show_said(api, session.collection())
        return
    with st.sidebar:
        collection = session.choose_collection(list(ways))
        beside = st.container()
        session.show_person()  # before the page, which is drawn whole only once its answer is
    ready = partial(ask.show, api, collection, ways.get(collection), beside)
    pages = [
        st.Page(ready, title="Ask", icon=":material/forum:", url_path="ask", default=True),
        st.Page(
            partial(documents.show, api, collection), title="Documents", icon=":material/folder:", url_path="documents"
        ),
        st.Page(
            partial(learning.show, api, collection), title="Learning", icon=":material/school:", url_path="learning"
        ),
    ]
    chosen = st.navigation(pages)
    if session.is_collection(collection):
        chosen.run()


if __name__ == "__main__":
    main()
