"""Ask in the terminal: the answer as it comes, its sources, and a thumb."""

import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.conversation import converse, in_terminal, require_question
from app.cli.options import AsJson, Collection, OnlyDocuments, ReleaseName, WayName, chosen_config, open_workspace

if TYPE_CHECKING:
    from rag.answering.answer import Answer, Question
    from rag.answering.engine import Engine
    from rag.workspace import Workspace

commands = typer.Typer()
_FROM = {
    "rag": "from the passages",
    "closed-book": "from memory (chat model)",
    "hybrid": "from memory and the passages (chat model)",
}


@commands.command()
def ask(
    question: Annotated[
        str | None, typer.Argument(help="What you want to know; without it, a conversation begins.")
    ] = None,
    collection: Collection = "default",
    document: OnlyDocuments = None,
    release: ReleaseName = "production",
    way: WayName = None,
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="How freely a model words the answer; 0: the likeliest words.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Share of the probability that its words are drawn from.")
    ] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, max=2048, help="Tokens of its answer at most.")] = None,
    feedback: Annotated[bool, typer.Option("--feedback/--no-feedback", help="Ask for a thumb, in a terminal.")] = True,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the documents, with its sources."""
    require_question(question, "ragloop ask", as_json)
    from app.output import say_aside
    from rag.answering.answer import Way
    from rag.answering.engines import Engines
    from rag.answering.sampling import Sampling
    from rag.releases import named_release

    logging.getLogger("rag.answering").setLevel(logging.ERROR)  # each answer says who did not speak, and why
    space = open_workspace()
    found = named_release(space, collection, release)
    say_aside("loading…")
    engines = Engines(space, chosen_config(space, None))
    engine = engines.open(found, Way(way) if way else None)
    sampling = Sampling(temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens)

    def reply(asked: "Question") -> str:
        answer = _answered(engine, asked.model_copy(update={"sampling": sampling}), as_json)
        if feedback and in_terminal() and not as_json:
            _take_thumb(space, answer)
        return answer.text

    try:
        converse(question, reply, tuple(document or ()))
    finally:
        engine.close()
        engines.close()


def _answered(engine: "Engine", question: "Question", as_json: bool) -> "Answer":
    """Show an answer as it comes, and then its sources."""
    from rag.answering.answer import Done, Piece, Restarted

    live = sys.stdout.isatty() and not as_json
    for event in engine.stream(question):
        if live and isinstance(event, Piece):
            print(event.text, end="", flush=True)
        elif live and isinstance(event, Restarted):
            print(f"\n-- {event.silent.generator} broke off ({event.silent.reason}); once more:", flush=True)
        elif isinstance(event, Done):
            answer = event.answer
    if as_json:
        print(answer.model_dump_json(indent=2))
    else:
        _show(answer, live)
    return answer


def _show(answer: "Answer", live: bool) -> None:
    """Print what the stream has not shown: the sources, and who answered."""
    from app.output import say_aside

    said = bool(answer.generator) and live
    print("\n" if said else f"{answer.text}\n")
    for citation in answer.citations:
        quote = " ".join(citation.quote.split())
        print(f"[{citation.number}] {citation.document}, page {citation.page_no}: {quote}")
    if not answer.found:
        nearest = dict.fromkeys(f"{hit.chunk.document}, page {hit.chunk.page_no}" for hit in answer.hits)
        print("nearest: " + "; ".join(nearest))
    for silent in answer.silent:
        say_aside(f"{silent.generator} did not answer: {silent.reason}")
    if answer.generator:
        who, seconds = f"{answer.generator} {_FROM[answer.way.value]}", answer.timings["total"]
        say_aside(f"answered by {who} in {seconds:.2f} s; support {answer.support:.2f}")


def _take_thumb(space: "Workspace", answer: "Answer") -> None:
    from rag.feedback.recording import record_feedback
    from rag.feedback.signals import Feedback, FeedbackKind

    try:
        typed = typer.prompt("good? u: thumb up, d: thumb down, Enter: neither", default="", show_default=False)
    except typer.Abort:
        print()
        return
    kinds = {"u": FeedbackKind.THUMB_UP, "d": FeedbackKind.THUMB_DOWN}
    if (kind := kinds.get(typed.strip().lower())) is not None:
        reaction = Feedback(interaction_id=answer.id, kind=kind)
        record_feedback(space.database, reaction, space.settings.feedback_threshold)
        print("noted")
