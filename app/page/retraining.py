"""Retrainings: what one does, a button that starts it, and how far the last are."""

import streamlit as st

from app.page.client import Api, ApiError, Json
from app.page.plain import label, problem
from app.page.settings import PageSettings

_LOOK_S = 3.0
"""Between two looks at a retraining that is under way."""
_UNDER_WAY = ("waiting", "running")
_WATCHED, _REFUSED = "retrainings watched", "retrainings refused"
_MEANING = (
    "It writes questions from the documents, learns from them and from all feedback, and compares the result with what "
    "serves, on questions that neither has learned from. Only what is proven better serves then, and it can be rolled "
    "back. It takes minutes with a card, and up to hours without; answers go on meanwhile."
)


def show(api: Api, collection: str) -> None:
    """Show the last retrainings, and start one. While one is under way it is looked at every few seconds."""
    st.header("Retraining")
    st.caption(_MEANING)
    watched = st.session_state.get(_WATCHED) == collection
    st.fragment(_follow, run_every=_LOOK_S if watched else None)(api, collection, watched)


def _follow(api: Api, collection: str, watched: bool) -> None:
    """Show them as they are now; once one begins or ends, the whole page knows of it, and of its release."""
    try:
        last = api.retrainings(collection)
    except ApiError as error:
        st.info(label(f"Retrainings can be neither started nor seen here: {error}", 600))
        return
    under_way = _is_under_way(last)
    if under_way != watched:
        st.session_state[_WATCHED] = collection if under_way else None
        st.rerun()
    st.button(
        "Start a retraining",
        on_click=_start,
        args=(api, collection),
        icon=":material/model_training:",
        disabled=under_way,
        help="One is under way: wait for it." if under_way else None,
    )
    if wrong := _refused().get(collection):
        problem(wrong)
    if last:
        _show_last(last[0])
    if last[1:]:
        with st.expander("Earlier retrainings"):
            st.dataframe([_row(each) for each in last[1:]], hide_index=True)


def _is_under_way(last: list[Json]) -> bool:
    return any(each["state"] in _UNDER_WAY for each in last)


def _start(api: Api, collection: str) -> None:
    _refused().pop(collection, None)
    try:
        if not _is_under_way(api.retrainings(collection)):  # a second click may come before the first has shown
            api.retrain(collection)
    except ApiError as error:
        _refused()[collection] = str(error)


def _refused() -> dict[str, str]:
    return st.session_state.setdefault(_REFUSED, {})


def _show_last(run: Json) -> None:
    said = f": {run['said']}" if run["said"] else "."
    match run["state"]:
        case "waiting":
            st.info("A retraining waits for a worker.")
        case "running":
            st.info(label(f"A retraining runs since {_time(run['started_at'])}. Its release appears below by itself."))
        case "done":
            st.success(label(f"The last retraining is done{said}", 600))
        case "cancelled":
            st.warning(label(f"The last retraining was cancelled{said}", 600))
        case _:
            problem(f"The last retraining has failed{said}")
    if prefect := PageSettings().prefect:
        st.link_button("See it in Prefect", f"{prefect}/runs/flow-run/{run['run']}", icon=":material/open_in_new:")


def _row(run: Json) -> Json:
    return {"Began": _time(run["started_at"]), "State": run["state"], "What came of it": run["said"] or ""}


def _time(moment: str | None) -> str:
    return (moment or "")[:16].replace("T", " ")
