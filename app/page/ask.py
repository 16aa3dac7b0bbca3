"""The conversation: a question in, its answer as it is made, and what was said before."""

from collections.abc import Iterator, Mapping
from queue import SimpleQueue
from threading import Thread
from typing import Any

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
_WAY, _QUESTION = "way", "question"
_AUTOMATIC, _SIDE_BY_SIDE = "Automatic", "Side by side"
WAYS = {"rag": "From passages", "chat": "Fine-tuned memory", "hybrid": "Hybrid"}
"""What people call the ways, by how /v1/models calls them."""
_ASKED_AS = {"rag": "rag", "chat": "closed-book", "hybrid": "hybrid"}
"""And what /ask calls them."""


def show(api: Api, collection: str, ways: Ways | None) -> None:
    """Show the conversation and take the next question.

    :param ways: in which the collection can be asked; None if nothing serves it yet.
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
    with st.sidebar:
        chosen = _choose_ways(ways or {})
        only = st.multiselect("Look only in", [each["name"] for each in there], placeholder="All documents")
        tells = any(told for way, told in (ways or {}).items() if _ASKED_AS.get(way) in chosen)
        settings = model_settings.choose(tells)
        nothing = not said and collection not in _held()
        st.button("New conversation", on_click=said.clear, icon=":material/add_comment:", disabled=nothing)
    _show_turns(api, collection)
    st.chat_input("Ask about the documents", key=_QUESTION, on_submit=_hold, args=(collection,))
    question = _held().pop(collection, None)
    if question is None:
        return
    if wrong := _wrong(question):
        problem(wrong)
        with st.expander("Your question, to copy and shorten", expanded=False):
            st.code(question, language=None, wrap_lines=True, height=200)
        return
    asked = {"question": question, "collection": collection, "documents": only, "history": _history(said)}
    said.append({"asked": asked | settings | session.user(), "ways": chosen, "answers": {}, "begin": True})
    _show_turn(api, said[-1])


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
    return this_visit().setdefault("held", {})


def _choose_ways(ways: Ways) -> list[str | None]:
    """Return the ways to ask for, by the names of /ask; None for what the release decides."""
    own = [way for way in ways if way]
    if not own:
        st.caption("Answers come from the documents' passages: no chat model serves here.")
        return [None]
    names = {_AUTOMATIC: [None]} | {WAYS.get(way, way): [_ASKED_AS.get(way, way)] for way in own}
    names[_SIDE_BY_SIDE] = [_ASKED_AS.get(way, way) for way in own]
    if st.session_state.get(_WAY) not in names:
        st.session_state.pop(_WAY, None)
    explained = "Automatic: as the release decides for each question."
    return names[st.selectbox("Way to answer", list(names), key=_WAY, help=explained)]


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
    for turn in said[n_earlier:]:
        _show_turn(api, turn)


def _show_turn(api: Api, turn: Json) -> None:
    """Show a question and its answers; those that are still to come are asked for first."""
    with st.chat_message("user"):
        st.text(turn["asked"]["question"])
    with st.chat_message("assistant"):
        places = {way: place.empty() for way, place in zip(turn["ways"], _places(turn["ways"]), strict=True)}
        for way, told in turn["answers"].items():
            with places[way].container():
                answer.show(api, turn["asked"], way, told)
        left = {way: place for way, place in places.items() if way not in turn["answers"]}
        if turn.pop("begin", False):
            _stream(api, turn, left)
        for way, place in left.items():
            with place.container():
                if way in turn["answers"]:
                    answer.show(api, turn["asked"], way, turn["answers"][way])
                else:
                    st.caption("This answer was interrupted.")
        if failed := [way for way in places if "error" in turn["answers"].get(way, {"error": "interrupted"})]:
            st.button("Try again", key=f"again-{id(turn)}", on_click=_again, args=(turn, failed))


def _again(turn: Json, failed: list[str | None]) -> None:
    for way in failed:
        turn["answers"].pop(way, None)
    turn["begin"] = True


def _places(ways: list[str | None]) -> list[Any]:
    return list(st.columns(len(ways), gap="medium")) if len(ways) > 1 else [st.container()]


def _stream(api: Api, turn: Json, left: Mapping[str | None, Any]) -> None:
    """Show the answers that are left as they are made, each in its place, and keep them in the turn."""
    places = {}
    for way, place in left.items():
        with place.container():
            if way:
                st.caption(label(answer.WAY_NAMES.get(way, way)))
            places[way] = st.empty()
            places[way].caption("Looking…")
    told: dict[str | None, str] = dict.fromkeys(left, "")
    for way, event in _merged({way: api.ask(turn["asked"] | ({"way": way} if way else {})) for way in left}):
        if isinstance(event, ApiError):
            turn["answers"][way] = {"error": str(event)}
            places[way].empty()
            continue
        name, data = event
        if name == "token":
            told[way] += data["text"]
            places[way].text(told[way])
        elif name == "restart":
            told[way] = ""
            places[way].caption(label(f"{data['generator']} broke off; another begins…"))
        elif name == "done":
            turn["answers"][way] = data


def _merged(streams: Mapping[str | None, Iterator[tuple[str, Any]]]) -> Iterator[tuple[str | None, Any]]:
    """Yield the events of several streams as they come, each with its key; an ApiError ends its stream as an event."""
    events: SimpleQueue[tuple[str | None, Any]] = SimpleQueue()

    def read(key: str | None, stream: Iterator[tuple[str, Any]]) -> None:
        try:
            for event in stream:
                events.put((key, event))
        except ApiError as error:
            events.put((key, error))
        finally:
            events.put((key, None))

    for key, stream in streams.items():
        Thread(target=read, args=(key, stream), daemon=True).start()
    left = len(streams)
    while left:
        key, event = events.get()
        if event is None:
            left -= 1
        else:
            yield key, event
