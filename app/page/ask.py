"""The conversation: a question in, its answer as it is made, and what was said before."""

import time
from collections.abc import Iterable
from threading import Thread
from typing import Any, NamedTuple

import streamlit as st

from app.page import answer, documents, model_settings, session
from app.page.client import Api, ApiError, Json, Ways
from app.page.plain import label, problem, tried
from app.page.visits import this_visit

MOST_CHARS = 4000
"""Of a question, as the API takes it."""
_SHOWN = 4
"""Questions with their answers that are drawn unless a person wants more."""
_LAST_SAID = 20
"""Messages of the conversation that go along with a question."""
_LOOK_S = 0.1
"""Between two looks at answers that are being made."""
_WAY, _QUESTION = "way", "question"
_AUTOMATIC, _SIDE_BY_SIDE = "Automatic", "Side by side"
WAYS = {"rag": "From passages", "chat": "Fine-tuned memory", "hybrid": "Hybrid"}
"""What people call the ways, by how /v1/models calls them."""
_ASKED_AS = {"rag": "rag", "chat": "closed-book", "hybrid": "hybrid"}
"""And what /ask calls them."""


class _Coming(NamedTuple):
    """An answer that is being made, and the place that is kept for it."""

    turn: Json
    way: str | None
    place: Any


def show(api: Api, collection: str, ways: Ways | None, beside: Any) -> None:
    """Show the conversation and take the next question.

    :param ways: in which the collection can be asked; None if nothing serves it yet.
    :param beside: the container for what is chosen.
    """
    st.title("Ask your documents")
    there = tried(api.documents, collection)
    if there is None:
        show_said(api, collection)
        return
    said = session.turns(collection)
    if ways is None and not said:
        documents.first_steps(api, collection)
        return
    with st.container():  # it keeps its place while it is empty
        documents.show_uploads(api, collection)
    with beside:
        chosen = _choose_ways(ways or {})
        only = _choose_documents(collection, [each["name"] for each in there])
        tells = any(told for way, told in (ways or {}).items() if _ASKED_AS.get(way) in chosen)
        settings = model_settings.choose(tells)
        nothing = not said and collection not in _held()
        st.button("New conversation", on_click=said.clear, icon=":material/add_comment:", disabled=nothing)
    st.chat_input("Ask about the documents", key=_QUESTION, on_submit=_hold, args=(collection,))
    question = _held().pop(collection, None)
    wrong = None if question is None else _wrong(question)
    if question is not None and wrong is None:
        asked = {"question": question, "collection": collection, "documents": only, "history": _history(said)}
        said.append({"asked": asked | settings | session.user(), "ways": chosen, "answers": {}, "coming": {}})
        _begin(api, said[-1], chosen)
    _show_turns(api, collection)
    if question is not None and wrong is not None:
        problem(wrong)
        with st.expander("Your question, to copy and shorten", expanded=False):
            st.code(question, language=None, wrap_lines=True, height=200)


def show_said(api: Api, collection: str) -> None:
    """Show the conversation alone, while the API is away, and the question that waits for it."""
    _show_turns(api, collection)
    if question := _held().get(collection):
        with st.chat_message("user"):
            st.text(question)
            st.caption("It is asked as soon as the API answers again.")


def _hold(collection: str) -> None:
    """Keep a question before anything can go wrong, until it is asked."""
    _held()[collection] = st.session_state[_QUESTION]


def _held() -> dict[str, str]:
    """Return the questions that wait, by collection."""
    kept: dict[str, str] = this_visit().setdefault("held", {})
    return kept


def _choose_ways(ways: Ways) -> list[str | None]:
    """Return the ways to ask for, by the names of /ask; None for what the release decides."""
    own = [way for way in ways if way]
    if not own:
        st.caption("Answers come from the documents' passages: no chat model serves here.")
        return [None]
    names: dict[str, list[str | None]] = {_AUTOMATIC: [None]}
    names |= {WAYS.get(way, way): [_ASKED_AS.get(way, way)] for way in own}
    names[_SIDE_BY_SIDE] = [_ASKED_AS.get(way, way) for way in own]
    if st.session_state.get(_WAY) not in names:
        st.session_state.pop(_WAY, None)
    explained = "Automatic: as the release decides for each question."
    return names[st.selectbox("Way to answer", list(names), key=_WAY, help=explained)]


def _choose_documents(collection: str, names: list[str]) -> list[str]:
    """Return the documents to look in; none for all."""
    key = f"only-{collection}"
    session.recall(key)
    st.session_state[key] = [name for name in st.session_state.get(key, []) if name in names]
    return st.multiselect("Look only in", names, key=key, placeholder="All documents")


def is_wide() -> bool:
    """Say whether answers stand side by side, and want the width of the window."""
    session.recall(_WAY)
    return st.session_state.get(_WAY) == _SIDE_BY_SIDE


def _wrong(question: str) -> str | None:
    if not question.strip():
        return "The question is empty: write what you want to know."
    if len(question) > MOST_CHARS:
        return f"The question has {len(question):,} characters, of {MOST_CHARS:,} at most: ask for one thing at a time."
    return None


def _history(said: list[Json]) -> list[Json]:
    """Return what was asked and answered, oldest first; of answers side by side the first."""
    turns: list[Json] = []
    for turn in said:
        told = next((each["text"] for each in turn["answers"].values() if "text" in each), None)
        if told is not None:
            turns.append({"role": "user", "content": turn["asked"]["question"]})
            turns.append({"role": "assistant", "content": told})
    return turns[-_LAST_SAID:]


def _show_turns(api: Api, collection: str) -> None:
    """Show the last questions and answers, and those before them if a person wants it: each takes its time to draw."""
    said = session.turns(collection)
    n_earlier = max(len(said) - _SHOWN, 0)
    if n_earlier and st.toggle(f"Show {n_earlier} earlier", key="earlier"):
        n_earlier = 0
    _follow(api, [each for turn in said[n_earlier:] for each in _show_turn(api, turn)])


def _show_turn(api: Api, turn: Json) -> list[_Coming]:
    """Show a question and its answers; return those that are still to come."""
    with st.chat_message("user"):
        st.text(turn["asked"]["question"])
    coming = []
    with st.chat_message("assistant"):
        for way, column in zip(turn["ways"], _columns(turn), strict=True):
            with column:
                if way:
                    st.caption(label(answer.WAY_NAMES.get(way, way)))
                if way in turn["answers"]:
                    with st.container():
                        _show_answer(api, turn, way)
                else:
                    coming.append(_Coming(turn, way, st.empty()))
    return coming


def _columns(turn: Json) -> list[Any]:
    n_ways = len(turn["ways"])
    if n_ways == 1:
        return [st.container()]
    with st.container(key=f"ways-{id(turn)}"):
        return list(st.columns(n_ways, gap="medium"))


def _show_answer(api: Api, turn: Json, way: str | None) -> None:
    told = turn["answers"][way]
    answer.show(api, turn["asked"], way, told)
    if "error" in told:
        st.button("Try again", key=f"again-{id(told)}", on_click=_again, args=(api, turn, way))


def _again(api: Api, turn: Json, way: str | None) -> None:
    if turn["answers"].pop(way, None):  # another window may have been faster
        _begin(api, turn, [way])


def _begin(api: Api, turn: Json, ways: Iterable[str | None]) -> None:
    """Have answers made, whoever looks on: a thread for each writes into the turn, which the visit keeps."""
    for way in ways:
        turn["coming"][way] = {"text": "", "waits": "Looking…"}
        Thread(target=_make, args=(api, turn, way), daemon=True).start()


def _make(api: Api, turn: Json, way: str | None) -> None:
    """Write an answer into its turn as it is made, and at last what became of it."""
    made: Json = {"error": "This answer was interrupted."}
    try:
        for name, data in api.ask(turn["asked"] | ({"way": way} if way else {})):
            if name == "token":
                turn["coming"][way]["text"] += data["text"]
            elif name == "restart":
                turn["coming"][way] = {"text": "", "waits": f"{data['generator']} broke off; another begins…"}
            elif name == "done":
                made = data
    except ApiError as error:
        made = {"error": str(error)}
    finally:
        turn["answers"][way] = made


def _follow(api: Api, coming: list[_Coming]) -> None:
    """Show answers as they are made, each in its place, until all are whole."""
    while coming:
        left = []
        for each in coming:
            turn, way, place = each
            if way in turn["answers"]:
                with place.container():
                    _show_answer(api, turn, way)
                continue
            left.append(each)
            so_far = turn["coming"][way]
            if so_far["text"]:
                place.text(so_far["text"])
            else:
                place.caption(label(so_far["waits"]))
        coming = left
        time.sleep(_LOOK_S)
