"""What each step of an answer came to, as the API explains it."""

from typing import Any

import streamlit as st

from app.page.client import Api, ApiError, Json
from app.page.plain import problem

_STAGES = {"words": "By words", "meaning": "By meaning", "mixed": "Mixed", "reranked": "Re-ranked", "final": "At last"}


def offer(api: Api, asked: Json, id_: str) -> None:
    """Offer to explain an answer, and show what was explained.

    :param asked: the body of /ask that it answers.
    :param id_: the answer's.
    """
    known: dict[str, Json] = st.session_state.setdefault("explained", {})
    if st.button("What each step found", key=f"explain-{id_}"):
        try:
            known[id_] = api.explain(asked)
        except ApiError as error:
            problem("this server explains no answers" if error.status in (404, 405) else str(error))
    if id_ in known:
        _show(known[id_])


def _show(explained: Json) -> None:
    st.text(explained["diagnosis"])
    if missing := explained["missing"]:
        st.text(f"No passage holds: {', '.join(missing)}.")
    for heard in explained["heard"]:
        st.text(f"{heard['generator']}: {heard['reason'] or heard['said'] or 'said nothing'}")
    if explained["passages"]:
        st.dataframe([_row(each) for each in explained["passages"]], hide_index=True)


def _row(passage: Json) -> dict[str, Any]:
    ranks = {title: passage[stage] and passage[stage]["rank"] for stage, title in _STAGES.items()}
    place = {"Document": passage["document"], "Page": passage["page_no"], "Cited": passage["cited"]}
    return place | ranks | {"Passage": passage["passage"]}
