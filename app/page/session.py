"""What a person's visit holds: the connection, the collection, and the conversations."""

import re
from typing import Any
from urllib.parse import urlsplit

import streamlit as st

from app.page.client import Api, ApiError, Ways
from app.page.plain import problem
from app.page.settings import PageSettings
from app.page.visits import forget_this_visit, keep_this_visit, this_visit

DEFAULT = "default"
_COLLECTION, _NAME = "collection", "name"
_API, _USER, _TURNS, _WIDGETS = "api", "user", "turns", "widgets"
_A_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What the API takes for a collection's name."""
_UNSPECIFIED = ("0.0.0.0", "::")
"""A server that listens there is on the host that the browser has the page from."""


def signed_in() -> tuple[Api, dict[str, Ways] | None] | None:
    """Return the connection and what can be asked, as `Api.ways`; asks for a key otherwise.

    What can be asked is None if the API does not say just now, which is shown.
    """
    settings = PageSettings()
    try:
        visit, key = this_visit(), settings.key()
        if _API not in visit or (settings.key_file and visit[_API].key != key):
            visit[_API] = Api(settings.api, key)
        connected = visit[_API], visit[_API].ways()
        keep_this_visit(_API, _USER)
        return connected
    except OSError as error:
        problem(f"{error.filename}: {error.strerror}: give --api-key-file a file that can be read")
    except ApiError as error:
        if error.status != 401:
            problem(str(error))
            st.button("Try again")
            return (visit[_API], None) if _API in visit else None
        elif settings.key_file:
            problem(f"{error} and put it into {settings.key_file}")
        else:
            _ask_for_key(settings.api, str(error) if this_visit()[_API].key else None)
    return None


def _ask_for_key(url: str, refused: str | None) -> None:
    st.header("Sign in")
    if refused:
        problem(refused)
    with st.form("sign-in"):
        st.text_input("API key", type="password", key="key", placeholder="rk_…")
        st.text_input("Your name, if others use the same key", key=_NAME, max_chars=200)
        st.form_submit_button("Sign in", on_click=_sign_in, args=(url,), type="primary")
    st.caption("No key yet? Whoever runs ragloop makes one:")
    st.code("ragloop keys create --role trainer", language=None, wrap_lines=True)


def _sign_in(url: str) -> None:
    _take_name()
    try:
        this_visit()[_API] = Api(url, st.session_state["key"].strip())
    except ApiError as error:
        st.toast(str(error))


def show_person() -> None:
    """Let a person who signed in forget the key and all that was said; one who need not may give a name."""
    if PageSettings().key_file is None:
        st.button("Sign out", on_click=forget_this_visit, icon=":material/logout:")
    else:
        recall(_NAME)
        st.text_input(
            "Your name, if others use this page",
            key=_NAME,
            max_chars=200,
            on_change=_take_name,
            help="Of an answer, each person has one vote; without names, all who use this page are one person.",
        )


def _take_name() -> None:
    this_visit()[_USER] = st.session_state[_NAME].strip() or None


def user() -> dict[str, str]:
    """Return who asks and reacts, as far as the person gave a name: a part of the body of a request."""
    name = this_visit().get(_USER)
    return {"user": name} if name else {}


def prefect() -> str | None:
    """Return the address of Prefect's UI as this browser reaches it; None if the page does not know it."""
    known = PageSettings().prefect
    url = urlsplit(known or "")
    if url.hostname not in _UNSPECIFIED:
        return known
    host = urlsplit(st.context.url or "").hostname or "127.0.0.1"
    return url._replace(netloc=f"[{host}]:{url.port}" if ":" in host else f"{host}:{url.port}").geturl()


def turns(collection: str) -> list[dict[str, Any]]:
    """Return the conversation with a collection, oldest first, to read and to add to."""
    conversations: dict[str, list[dict[str, Any]]] = this_visit().setdefault(_TURNS, {})
    return conversations.setdefault(collection, [])


def recall(key: str) -> None:
    """Have a widget that is about to be drawn begin as the person left it, on another page or before a reload."""
    left = this_visit().setdefault(_WIDGETS, {})
    if key in st.session_state:
        left[key] = st.session_state[key]
    elif key in left:
        st.session_state[key] = left[key]


def choose_collection(names: list[str]) -> str:
    """Let a collection be chosen, or a new one be named."""
    st.selectbox(
        "Collection",
        sorted({*names, collection(), DEFAULT}),
        key=_COLLECTION,
        accept_new_options=True,
        help="A set of documents that is asked and trained by itself. Write a new name to begin another.",
    )
    return collection()


def is_collection(name: str) -> bool:
    """Tell whether a collection may be called so; says what it may be called if not."""
    if _A_NAME.fullmatch(name):
        return True
    problem(
        f"No collection can be called {name!r}. Choose a name of up to 64 letters without accents, digits, dots, "
        "dashes and underscores; the first is a letter or a digit."
    )
    return False


def collection() -> str:
    """Return the collection that was chosen last."""
    recall(_COLLECTION)
    return (st.session_state.setdefault(_COLLECTION, DEFAULT) or DEFAULT).strip()
