"""Retrainings: what one does, a button that starts it, and how far the last are."""

import time
from collections.abc import Callable

import streamlit as st

from app.page import session
from app.page.client import Api, ApiError, Json
from app.page.moments import local
from app.page.plain import label, problem

_LOOK_S, _MOST_LOOK_S = 3.0, 30.0
"""Between two looks at a retraining that is under way: at first, and at most."""
_SHARE = 0.05
"""Of the time that it was watched, which is waited for the next look."""
_UNDER_WAY = ("waiting", "running")
_WATCHED, _REFUSED = "retrainings watched", "retrainings refused"
_MEANING = (
    "It writes questions from the documents, learns from them and from all feedback, and compares the result with what "
    "serves, on questions that neither has learned from. Only what is proven better serves then, and it can be rolled "
    "back. It takes minutes with a card, and up to hours without; answers go on meanwhile."
)


class _Watch:
    """The last retrainings of a collection, looked at less often the longer they are watched."""

    def __init__(self, api: Api, collection: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._api, self._collection, self._clock = api, collection, clock
        self._last: list[Json] = []
        self._began = self._due = clock()

    def last(self) -> list[Json]:
        """Return the last retrainings, newest first, as they were of late."""
        now = self._clock()
        if now >= self._due:
            self._last = self._api.retrainings(self._collection)
            self._due = now + min(max(_LOOK_S, _SHARE * (now - self._began)), _MOST_LOOK_S)
        return self._last

    def start(self) -> None:
        """Start a retraining, unless one is under way: a second click may come before the first has shown."""
        _refused().pop(self._collection, None)
        self._due = self._clock()
        try:
            if not _under_way(self._api.retrainings(self._collection)):
                self._api.retrain(self._collection)
        except ApiError as error:
            _refused()[self._collection] = str(error)


def show(api: Api, collection: str) -> None:
    """Show the last retrainings, and start one. While one is under way it is looked at every few seconds."""
    st.header("Retraining")
    st.caption(_MEANING)
    watched = st.session_state.get(_WATCHED) == collection
    st.fragment(_follow, run_every=_LOOK_S if watched else None)(_Watch(api, collection), collection, watched)


def _follow(watch: _Watch, collection: str, watched: bool) -> None:
    """Show them as they are now; once one begins or ends, the whole page knows of it, and of its release."""
    try:
        last = watch.last()
    except ApiError as error:
        st.info(f"Retrainings can be neither started nor seen here: {label(str(error).replace('`', ''), 600)}")
        return
    under_way = _under_way(last)
    if bool(under_way) != watched:
        st.session_state[_WATCHED] = collection if under_way else None
        st.rerun()
    st.button(
        "Start a retraining",
        on_click=watch.start,
        icon=":material/model_training:",
        disabled=watched,
        help="One is under way, or waits for a worker." if watched else None,
    )
    if wrong := _refused().get(collection):
        problem(wrong)
    if last:
        current = (under_way or last)[0]
        _show_current(current)
        _show_earlier([each for each in last if each is not current])


def _under_way(last: list[Json]) -> list[Json]:
    return [each for each in last if each["state"] in _UNDER_WAY]


def _refused() -> dict[str, str]:
    kept: dict[str, str] = st.session_state.setdefault(_REFUSED, {})
    return kept


def _show_current(run: Json) -> None:
    said, since = f": {run['said']}" if run["said"] else ".", label(local(run["started_at"]))
    match run["state"]:
        case "waiting":
            st.info(f"A retraining waits for a worker since {since}. Workers run where `ragloop up` does.")
        case "running":
            st.info(f"A retraining runs since {since}. Its release appears below by itself.")
        case "done":
            st.success(label(f"The last retraining is done{said}", 600))
        case "cancelled":
            st.warning(label(f"The last retraining was cancelled{said}", 600))
        case _:
            problem(f"The last retraining has failed{said}")
    if prefect := session.prefect():
        st.link_button("See it in Prefect", f"{prefect}/runs/flow-run/{run['run']}", icon=":material/open_in_new:")


def _show_earlier(runs: list[Json]) -> None:
    if not runs:
        return
    with st.expander("Earlier retrainings"):
        for run in runs:
            st.text(f"{local(run['started_at'])}, {run['state']}{': ' + run['said'] if run['said'] else ''}")
