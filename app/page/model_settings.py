"""How freely and how long an answer is, where a model words it; kept for the visit."""

import streamlit as st

from app.page import session
from app.page.client import Json

_UNSET = "As configured"


def choose(tells: bool) -> Json:
    """Return what was chosen, as fields of the body of /ask; nothing where it would change nothing.

    :param tells: whether anybody who may answer draws words.
    """
    with st.expander("Model settings", icon=":material/tune:"):
        if not tells:
            st.caption("There are none here: answers are quoted from the documents, and no model words them.")
            return {}
        chosen = {
            "temperature": _number(
                "Temperature", 0.0, 2.0, 0.1, "How freely answers are worded. 0 takes the likeliest word each time."
            ),
            "max_new_tokens": _number(
                "Longest answer", 16, 2048, 16, "In tokens, of which 100 make about 75 words. It is cut there."
            ),
            "top_p": _number(
                "Top-p", 0.05, 1.0, 0.05, "Words are drawn from the likeliest that have this share of the probability."
            ),
        }
        st.caption("They count for models that word answers; what is quoted from the documents stays as it is.")
    return {name: value for name, value in chosen.items() if value is not None}


def _number(title: str, least: float, most: float, step: float, meaning: str) -> float | None:
    key = f"setting {title}"
    session.recall(key)
    return st.number_input(title, least, most, None, step, key=key, help=meaning, placeholder=_UNSET)
