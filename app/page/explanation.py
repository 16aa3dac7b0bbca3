"""What each step of an answer came to, as the API explains it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.page.client import Api, ApiError, Json
from app.page.plain import problem
from app.page.visits import this_visit

_STAGES = {"words": "By words", "meaning": "By meaning", "mixed": "Mixed", "reranked": "Re-ranked", "final": "At last"}


def offer(api: Api, asked: Json, id_: str, answered_by: int | None = None) -> None:
    """Offer to explain an answer, or why there is none, and show what was explained.

    :param asked: the body of /ask that was to be answered.
    :param id_: under which the explanation is known.
    :param answered_by: the release that the answer is of.
    """
    known: dict[str, Json] = this_visit().setdefault("explained", {})
    if st.button("What each step found", key=f"explain-{id_}"):
        try:
            known[id_] = api.explain(asked)
        except ApiError as error:
            problem("this server explains no answers" if error.status in (404, 405) else str(error))
    if id_ in known:
        _show(known[id_], answered_by)


def _show(told: Json, answered_by: int | None) -> None:
    st.text(told["diagnosis"])
    if answered_by not in (None, told["release_id"]):
        st.text(f"The answer is of release {answered_by}. Release {told['release_id']} is explained, which serves now.")
    for name, value in _facts(told).items():
        st.text(f"{name}: {value}")
    _show_rows("Words of the question, by what they tell", [_word(each) for each in told["words"]])
    _show_rows("Passages, as each step put them (rank: score)", [_passage(each) for each in told["passages"]])
    _show_rows("Who was asked", [_heard(each) for each in told["heard"]])
    _show_rows("What was said, and what bears it out", [_statement(each) for each in told["statements"]])


def _show_rows(title: str, rows: Sequence[Json]) -> None:
    if rows:
        st.caption(title)
        st.dataframe(rows, hide_index=True)


def _facts(told: Json) -> dict[str, str]:
    weight, searched, only = told["weight"], told["searched"], told["restriction"]
    facts = {"Release": f"{told['release_id']} of {told['collection']}"}
    facts |= {name.capitalize(): uri for name, uri in told["models"].items()}
    facts["Can be asked"] = ", ".join(told["generators"]) or "nobody"
    if searched["standing"] != told["question"]:
        facts["Reads alone as"] = searched["standing"]
    facts["Searched"] = "; ".join(f"{text} (weight {share:g})" for text, share in searched["texts"].items())
    facts["Expansion"] = searched["expansion"]
    facts["Weights"] = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in told["retrieval"].items())
    facts["Evidence"] = f"{weight['evidence']:.2f} (words {weight['words']:.2f}, cosine {weight['cosine']:.2f})"
    facts["Threshold"] = f"{weight['threshold']:.2f} ({weight['threshold_from']})"
    if only:
        facts["Looked in"] = f"{', '.join(only['documents'])}: {_passages(only['looked_in'])}"
        facts["Left out"] = f"{_passages(only['left_out'])} of other documents"
    if told["missing"]:
        facts["No passage holds"] = ", ".join(told["missing"])
    if told["cached"]:
        facts["Known from before"] = told["cached"]
    facts["Seconds"] = ", ".join(f"{step} {seconds:.2f}" for step, seconds in told["timings"].items())
    return facts


def _passages(count: int) -> str:
    return f"{count} passage{'s' * (count != 1)}"


def _word(word: Json) -> dict[str, Any]:
    tells = "nothing" if word["common"] else f"{word['weight']:.2f}"
    return {"Word": word["word"], "Tells": tells, "Passages": word["passages"]}


def _passage(seen: Json) -> dict[str, Any]:
    row = {"Cited as": _marks(seen["citations"]), "Given": seen["number"]}
    row |= {"Document": seen["document"], "Page": seen["page_no"]}
    row |= {title: _place(seen[stage]) for stage, title in _STAGES.items()}
    return row | {"Passage": seen["passage"]}


def _place(place: Json | None) -> str:
    return f"{place['rank']}: {place['score']:.2f}" if place else ""


def _heard(heard: Json) -> dict[str, Any]:
    return {"Generator": heard["generator"], "Said": heard["said"], "Why that is not the answer": heard["reason"]}


def _statement(said: Json) -> dict[str, Any]:
    sources = _marks(said["citations"]) or "nothing"
    return {"Statement": said["text"], "Support": f"{said['support']:.2f}", "Sources": sources}


def _marks(citations: Sequence[int]) -> str:
    return " ".join(f"[{number}]" for number in citations)
