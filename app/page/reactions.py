"""What people make of an answer: a thumb, stars, a better answer, the right passage."""

from typing import Any

import streamlit as st

from app.page import session
from app.page.client import Api, ApiError, Json
from app.page.plain import label
from app.page.visits import this_visit

_THANKS, _VOTES = "thanks", "votes"
_THUMBS = ("thumb_down", "thumb_up")
_LEARNS = "Thank you: the next training learns from it."
_VOTE = f"{_LEARNS} Of a thumb and stars, your last counts."
_VOTED = "Your vote stays until you give another."


def show(api: Api, answer: Json) -> None:
    """Take reactions to an answer, and say what became of the last."""
    id_ = answer["id"]
    _mark_vote(id_)
    st.feedback("thumbs", key=f"thumb-{id_}", on_change=_thumb, args=(api, id_))
    with st.container():  # it keeps its place while it is empty: what follows would be drawn anew, and fold
        _say_thanks(id_)
    with st.expander("Say more"):
        st.markdown("How good is it?")
        st.feedback("stars", key=f"stars-{id_}", on_change=_stars, args=(api, id_))
        with st.form(f"correct-{id_}", border=False):
            st.text_area("A better answer", key=f"better-{id_}", max_chars=20_000)
            st.form_submit_button("Send", on_click=_correction, args=(api, id_))
        if answer["sources"]:
            _right_passage(api, answer)


def note_opened(api: Api, answer: Json, citation: Json) -> None:
    """Note that a source was opened; whether that is kept is nothing to trouble the person with."""
    try:
        _send(api, answer["id"], "citation_opened", chunk_id=citation["chunk_id"])
    except ApiError:
        return


def _right_passage(api: Api, answer: Json) -> None:
    id_ = answer["id"]
    by_chunk = {each["chunk_id"]: each for each in answer["sources"]}
    chosen = st.selectbox(
        "The passage that answers it",
        list(by_chunk),
        index=None,
        format_func=lambda chunk: (
            f"{by_chunk[chunk]['rank']}. {by_chunk[chunk]['document']}, page {by_chunk[chunk]['page_no']}"
        ),
        key=f"passage-{id_}",
        placeholder="Choose among what was found",
    )
    if chosen:
        st.text(by_chunk[chosen]["passage"])
        st.button("This is the right passage", key=f"right-{id_}", on_click=_passage, args=(api, id_, chosen))


def _thumb(api: Api, id_: str) -> None:
    thumb = st.session_state[f"thumb-{id_}"]
    _vote(api, id_, "thumb", thumb, {} if thumb is None else {"kind": _THUMBS[thumb]})


def _stars(api: Api, id_: str) -> None:
    stars = st.session_state[f"stars-{id_}"]
    _vote(api, id_, "stars", stars, {} if stars is None else {"kind": "rating", "value": stars + 1})


def _vote(api: Api, id_: str, by: str, value: int | None, vote: Json) -> None:
    """Keep a vote, of which each person has one for an answer."""
    if value is None:
        _thanks()[id_] = (True, _VOTED)
    elif _react(api, id_, **vote, thanks=_VOTE):
        _votes()[id_] = by, value


def _mark_vote(id_: str) -> None:
    """Have thumb and stars show the vote that is kept, wherever it was given."""
    by, value = _votes().get(id_, ("", None))
    for each in ("thumb", "stars"):
        st.session_state[f"{each}-{id_}"] = value if each == by else None


def _votes() -> dict[str, tuple[str, int]]:
    kept: dict[str, tuple[str, int]] = this_visit().setdefault(_VOTES, {})
    return kept


def _correction(api: Api, id_: str) -> None:
    if text := st.session_state[f"better-{id_}"].strip():
        _react(api, id_, "correction", text=text)
    else:
        _thanks()[id_] = (False, "Write the better answer first.")


def _passage(api: Api, id_: str, chunk_id: str) -> None:
    _react(api, id_, "right_passage", chunk_id=chunk_id)


def _react(api: Api, id_: str, kind: str, thanks: str = _LEARNS, **more: Any) -> bool:
    """Send a reaction; says whether it is kept."""
    try:
        _send(api, id_, kind, **more)
    except ApiError as error:
        _thanks()[id_] = (False, f"Not kept: {error}")
        return False
    _thanks()[id_] = (True, thanks)
    return True


def _send(api: Api, id_: str, kind: str, **more: Any) -> None:
    api.react({"interaction_id": id_, "kind": kind} | more | session.user())


def _say_thanks(id_: str) -> None:
    if said := _thanks().get(id_):
        well, line = said
        (st.success if well else st.error)(label(line, 400))


def _thanks() -> dict[str, tuple[bool, str]]:
    kept: dict[str, tuple[bool, str]] = this_visit().setdefault(_THANKS, {})
    return kept
