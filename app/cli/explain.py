"""Why a question is answered as it is, in the terminal."""

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.conversation import asked, require_question
from app.cli.options import AsJson, Collection, OnlyDocuments, ReleaseName, WayName, chosen_config, open_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rag.answering.explanation import Explanation, Seen
    from rag.retrieval.stages import Place

commands = typer.Typer()


@commands.command()
def explain(
    question: Annotated[str, typer.Argument(help="What was asked.")],
    collection: Collection = "default",
    document: OnlyDocuments = None,
    release: ReleaseName = "production",
    way: WayName = None,
    as_json: AsJson = False,
) -> None:
    """Show why a question is answered as it is: what each step found, and what to do about it.

    It is answered anew, which may ask a language model; no interaction is kept.
    """
    require_question(question, "ragloop explain", as_json)
    from rag.answering.answer import Way
    from rag.answering.engines import Engines
    from rag.answering.explaining import explain as explained
    from rag.releases import named_release

    logging.getLogger("rag.answering").setLevel(logging.ERROR)  # the explanation says who did not speak, and why
    wanted = asked(question, (), tuple(document or ()))
    space = open_workspace()
    found = named_release(space, collection, release)
    engines = Engines(space, chosen_config(space, None), records=False)
    engine = engines.open(found, Way(way) if way else None)
    try:
        told = explained(engine, wanted)
    finally:
        engine.close()
        engines.close()
    if as_json:
        print(told.model_dump_json(indent=2))
    else:
        _show(told)


def _show(told: "Explanation") -> None:
    from app.output import show_facts, show_rows

    print(f"{told.diagnosis}\n")
    show_facts(_facts(told), as_json=False)
    words = [
        {"word": word.word, "tells": "nothing" if word.common else f"{word.weight:.2f}", "passages": word.passages}
        for word in told.words
    ]
    said = [
        {"statement": each.text, "support": f"{each.support:.2f}", "sources": _marks(each.citations) or "nothing"}
        for each in told.statements
    ]
    for rows, title in (
        (words, "words of the question, by what they tell"),
        ([_passage_row(seen) for seen in told.passages], "passages, as each stage put them (rank: score)"),
        ([each.model_dump() for each in told.heard], "who was asked"),
        (said, "what was said, and what bears it out"),
    ):
        print()
        show_rows(rows, title, as_json=False, empty="none")


def _facts(told: "Explanation") -> dict[str, Any]:
    weight, searched = told.weight, told.searched
    facts: dict[str, Any] = {
        "answer": told.text,
        "release": f"{told.release_id} of {told.collection}",
        **told.models,
        "can be asked": ", ".join(told.generators) or "nobody",
        "searched": "; ".join(f"{text} (weight {share:g})" for text, share in searched.texts.items()),
        "reads alone as": searched.standing if searched.standing != told.question else None,
        "expansion": searched.expansion,
        "weights": ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in told.retrieval.items()),
        "evidence": f"{weight.evidence:.2f} (words {weight.words:.2f}, cosine {weight.cosine:.2f})",
        "threshold": f"{weight.threshold:.2f} ({weight.threshold_from})",
        "in the cache": told.cached,
        "seconds": ", ".join(f"{step} {seconds:.2f}" for step, seconds in told.timings.items()),
    }
    if (only := told.restriction) is not None:
        facts["looked in"] = f"{', '.join(only.documents)}: {only.looked_in} passages, {only.left_out} left out"
    return {name: value for name, value in facts.items() if value is not None}


def _passage_row(seen: "Seen") -> dict[str, Any]:
    return {
        "cited as": _marks(seen.citations),
        "given": "" if seen.number is None else seen.number,
        "words": _place(seen.words),
        "meaning": _place(seen.meaning),
        "mixed": _place(seen.mixed),
        "re-ranked": _place(seen.reranked),
        "final": _place(seen.final),
        "where": seen.place,
        "passage": seen.passage,
    }


def _place(place: "Place | None") -> str:
    return "" if place is None else f"{place.rank}: {place.score:.2f}"


def _marks(citations: "Sequence[int]") -> str:
    return " ".join(f"[{number}]" for number in citations)
