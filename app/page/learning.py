"""What is learned from people: feedback that waits, retrainings, releases, experiments, and what is not answered."""

import streamlit as st

from app.page import releases, retraining
from app.page.client import Api, Json
from app.page.plain import label, tried

_FIRST_STEPS = (
    "Nothing is learned yet. **1.** Add documents, on the page Documents. **2.** Ask about them. **3.** Say whether "
    "the answers helped. Then start a retraining here, and see whether what it learned is proven better."
)


def show(api: Api, collection: str) -> None:
    """Show what is learned from people, and let it be acted on."""
    st.title("Learning")
    known = tried(api.learning, collection)
    if known is None:
        return
    if not known["releases"]:
        st.markdown(_FIRST_STEPS)
        return
    _show_feedback(known["feedback"])
    retraining.show(api, collection)
    releases.show(api, collection, known["releases"])
    _show_experiments(api, collection)
    _show_unanswered(api, collection)


def _show_feedback(waiting: Json) -> None:
    st.header("Feedback")
    count, threshold = waiting["count"], waiting["threshold"]
    needed = max(threshold - count, 0)
    st.progress(min(count / threshold, 1.0), f"{count} of {threshold} reactions are new")
    if needed:
        st.caption(
            f"{needed} more start a retraining by themselves, where `ragloop up` runs; so does the night. At most 10 "
            "of one person count; all who share a key and give no name are one person."
        )
    else:
        st.caption("Enough for a retraining: it starts by itself where `ragloop up` runs.")


def _show_experiments(api: Api, collection: str) -> None:
    st.header("Experiments")
    found = tried(api.experiments, collection)
    for experiment in found or ():
        _tell(experiment)
    if found == []:
        st.caption("None yet. `ragloop experiments start` compares a release with what serves, while people use both.")


def _tell(experiment: Json) -> None:
    look = experiment["look"]
    pair = f"release {experiment['variant_id']} beside {experiment['control_id']}"
    st.markdown(f"**{label(experiment['name'])}**, {label(experiment['state'])}: {pair}")
    if look:
        users = look["n_control"] + look["n_variant"]
        st.text(f"Gain over {users} users: {releases.interval(look['gain'])}")
    if why := experiment["reason"] or (look and look["reason"]):
        st.text(why)


def _show_unanswered(api: Api, collection: str) -> None:
    st.header("What the documents do not answer")
    with st.spinner("Looking at what people asked"):
        use = tried(api.monitoring, collection)
    if use is None:
        return
    if not use["to_document"]:
        st.caption("Nothing of late: every question was answered, and nobody called an answer wrong.")
    for topic in use["to_document"]:
        st.text(topic["question"] or "")
        st.caption(
            f"asked {topic['questions']} times by {topic['people']}; not answered {topic['unanswered']} times, "
            f"wrongly {topic['judged_wrong']} times"
        )
