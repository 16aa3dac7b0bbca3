"""One answer: its text, how it came about, its sources, and what people make of it."""

import streamlit as st

from app.page import explanation, reactions, source
from app.page.client import Api, Json
from app.page.plain import label, problem

WAY_NAMES = {"rag": "From passages", "closed-book": "Fine-tuned memory", "hybrid": "Hybrid"}
_HOW = {
    "rag": "from the passages that were found",
    "closed-book": "from the memory of the chat model that was trained on the documents",
    "hybrid": "by the chat model, from the passages that were found",
}


@st.fragment
def show(api: Api, asked: Json, way: str | None, answer: Json) -> None:
    """Show an answer; what is clicked in it draws nothing else anew.

    :param asked: the body of /ask that it answers.
    :param way: the way that was asked for; None if the release decided.
    :param answer: what /ask told, or its error.
    """
    asked = asked | ({"way": way} if way else {})
    if "error" in answer:
        problem(answer["error"])
        with st.expander("Why no answer?"):
            explanation.offer(api, asked, f"error-{id(answer)}")
        return
    st.text(answer["text"])
    if answer["citations"]:
        _sources(api, answer)
    reactions.show(api, answer)
    with st.expander("Why this answer?"):
        for line in reasons(way, answer):
            st.text(line)
        explanation.offer(api, asked, answer["id"], answer["release_id"])


def reasons(way: str | None, answer: Json) -> list[str]:
    """Return why an answer is as it is, a sentence each, as far as it tells itself."""
    decided = "You chose this way" if way else "The release chose this way"
    lines = [f"{decided}: {_HOW.get(answer['way'], answer['way'])}."]
    lines += [f"{each['generator']} was asked before and did not answer: {each['reason']}" for each in answer["silent"]]
    if answer["generator"]:
        lines.append(f"Worded by {answer['generator']}{', remembered from before' if answer['cached'] else ''}.")
    bears = f"The best passages bear on the question by {answer['evidence']:.2f}"
    if not answer["found"]:
        lines.append(f"{bears}: too little to answer from. Ask in the documents' words, or add what is missing.")
    elif answer["way"] != "closed-book":
        lines.append(f"{bears}; they say what the answer says by {answer['support']:.2f} of 1.")
    if answer["cut"]:
        lines.append("It ends because it reached the longest answer.")
    if answer["variant"]:
        lines.append(f"It has a part in experiment {answer['variant']}.")
    return [*lines, f"Release {answer['release_id']}, {answer['timings'].get('total', 0):.2f} s."]


def _sources(api: Api, answer: Json) -> None:
    by_number = {each["number"]: each for each in answer["citations"]}

    def opened() -> None:
        if number := st.session_state[key]:
            reactions.note_opened(api, answer, by_number[number])

    def name(number: int) -> str:
        document, page_no = by_number[number]["document"], by_number[number]["page_no"]
        return f"{label(f'[{number}] {document}', 50)}, page {page_no}"

    key = f"source-{answer['id']}"
    number = st.pills("Sources", list(by_number), format_func=name, key=key, on_change=opened)
    with st.container():  # it keeps its place while it is empty: what follows would be drawn anew, and fold
        source.show(api, answer, by_number.get(number))
