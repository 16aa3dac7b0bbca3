"""The chat model: what it is taught, its training, and a word with it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from app.cli.completion import release_names
from app.cli.conversation import converse, require_question
from app.cli.options import (
    AsJson,
    Collection,
    ProfileName,
    chosen_config,
    chosen_profile,
    open_workspace,
    require_place,
)
from app.cli.releases import show_verdict
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.answering.answer import Question
    from rag.chat.model import ChatCompletion, ChatModel
    from rag.config import ChatGenerationConfig
    from rag.workspace import Workspace
    from storage.release import Release

TRAIN_MB = 1500
"""What a training needs on the disk."""
_SAY = "say"


class Spoken(TyperGroup):
    """A group to which anything but a command's name is something to say."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let the hidden command take what is no other's."""
        completes = ctx.resilient_parsing and not args  # what is typed at TAB may become a command's name
        if not completes and (not args or args[0] not in {*self.commands, *ctx.help_option_names}):
            args = [_SAY, *args]
        return super().parse_args(ctx, args)


commands = typer.Typer(
    cls=Spoken,
    help=(
        "Ask the model that was trained on the documents: ragloop chat 'How long is the warranty?'\n\n"
        "It answers from memory, without sources. Without a question, a conversation begins; options of both are shown "
        "by ragloop chat say --help."
    ),
    short_help="Ask the chat model that was trained on the documents; train it.",
    subcommand_metavar="[QUESTION] | COMMAND",
)


@commands.command(_SAY, hidden=True)
def say(
    question: Annotated[
        str | None, typer.Argument(help="What you want to know; without it, a conversation begins.")
    ] = None,
    collection: Collection = "default",
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of an answer at most.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.01, max=2.0, help="How freely it speaks; implies --sample.")
    ] = None,
    sample: Annotated[
        bool | None, typer.Option("--sample/--no-sample", help="Draw each word, or take the likeliest.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the chat model's memory, without looking at the documents."""
    require_question(question, "ragloop chat", as_json)
    from rag.chat.serving import speaking_release

    space = open_workspace()
    release = speaking_release(space, collection)
    given = {"max_new_tokens": max_new_tokens, "temperature": temperature, "do_sample": sample}
    if sample is None and temperature is not None:
        given["do_sample"] = True
    generation = chosen_config(space, None).chat.generation.model_copy(update=_named(given))
    from rag.chat.model import ChatModel

    assert release.chat_model is not None
    model = ChatModel.load(space.artifacts.path(release.chat_model))
    converse(question, lambda each: _replied(space, model, each, generation, release, as_json))


@commands.command("extract")
def extract(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made if missing.")] = Path("training_data"),
    pairs_per_chunk: Annotated[
        int | None, typer.Option(min=1, max=10, help="Questions that are written for a chunk.")
    ] = None,
    augment: Annotated[
        bool | None, typer.Option("--augment/--no-augment", help="Also ask each question in other words.")
    ] = None,
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Write what the chat model is taught as plain files, readable by you alone (0600): they are no longer sealed."""
    from app.output import say_steps, show_facts
    from rag.chat.data_artifact import chat_data_artifact, load_examples, training_stats
    from rag.chat.export import export_chat_data

    space = open_workspace()
    say_steps()
    config = chosen_config(space, profile)
    data = config.chat.data.model_copy(update=_named({"pairs_per_chunk": pairs_per_chunk, "augment": augment}))
    config = config.model_copy(update={"chat": config.chat.model_copy(update={"data": data})})
    made = chat_data_artifact(space, collection, config)
    stats = training_stats(space.artifacts, made, config)
    files = export_chat_data(folder, load_examples(space.artifacts, made), stats)
    show_facts(files if as_json else {name: f"{path}  plain text, mode 0600" for name, path in files.items()}, as_json)


@commands.command("train")
def train(
    dataset: Annotated[
        Path | None,
        typer.Option(help="Conversations to train on, a file or a folder of `chat extract`; else from the documents."),
    ] = None,
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Train a chat model on the documents; it serves only if answers are proven better with it."""
    from app.cli.ephemeral import start_server
    from app.output import say_steps, show_facts
    from rag.chat.data_artifact import dataset_artifact

    space = open_workspace(TRAIN_MB)
    chosen = chosen_profile(space, profile)
    data = dataset_artifact(space, collection, dataset).uri if dataset else None
    say_steps()
    start_server(space.home)
    from flows.train_chat import train_chat

    outcome = train_chat(collection, chosen, data)
    if as_json:
        print(outcome.model_dump_json(indent=2))
        return
    show_facts({"release": outcome.release_id, "chat model": outcome.model.uri}, as_json=False)
    if outcome.verdict is None:
        print(outcome.nothing_new)
        return
    show_verdict(outcome.verdict, outcome.release_id)
    if outcome.verdict.decision == "keep":
        print(f"`{_promote_by_hand(collection, outcome.release_id)}` lets it serve all the same")


@commands.command("compare")
def compare(
    release: Annotated[
        str | None,
        typer.Option(
            help="A release's id, or production; the newest with a chat model unless given.",
            autocompletion=release_names,
        ),
    ] = None,
    questions: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Of each group at most; as configured unless given.")
    ] = None,
    picture: Annotated[Path, typer.Option(help="Where the picture goes, a PNG.")] = Path("chat_comparison.png"),
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Answer the same questions from the chat model's memory, from passages, from both, and as the release decides.

    People's wordings that calibrate the router are shown, and do not count in the whole.
    """
    from app.cli.ephemeral import start_server
    from app.output import say_steps, show_facts, show_rows
    from rag.chat.serving import compared_release
    from rag.evaluation.comparison import load_comparison
    from rag.evaluation.tables import cost_rows, cost_values, way_rows, way_values

    space = open_workspace()
    chosen = chosen_profile(space, profile)
    chosen_release = compared_release(space, collection, release)
    require_place(picture, "--picture")
    say_steps()
    start_server(space.home)
    from flows.compare_chat import compare_chat
    from rag.evaluation.pictures import ways_picture

    reports = load_comparison(space.artifacts, compare_chat(collection, chosen, str(chosen_release.id), questions))
    title = f"ways to answer of release {chosen_release.id} of {collection}"
    picture.write_bytes(ways_picture(reports, title))
    if as_json:
        facts = {"release_id": chosen_release.id, "questions": way_values(reports), "costs": cost_values(reports)}
        show_facts(facts | {"picture": picture}, as_json)
        return
    show_rows(way_rows(reports), title, as_json=False)
    show_rows(cost_rows(reports), "to a whole answer; memory is what this process grew by", as_json=False)
    print(f"picture: {picture}")


def _promote_by_hand(collection: str, release_id: int) -> str:
    which = "" if collection == "default" else f" --collection {collection}"
    return f"ragloop releases promote {release_id}{which}"


def _named(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def _replied(
    space: "Workspace",
    model: "ChatModel",
    question: "Question",
    generation: "ChatGenerationConfig",
    release: "Release",
    as_json: bool,
) -> str:
    """Show an answer as it comes, keep it, and show what is to be known of it."""
    from rag.answering.closed_book import conversation, speaker_name
    from rag.answering.exchange import Exchange
    from rag.feedback.recording import record_interaction
    from rag.llm.protocol import TooLarge, Transient
    from rag.pairs.follow_ups import resolved_question

    earlier = [turn.content for turn in question.history if turn.role == "user"]
    standing = resolved_question(question.text, earlier)
    exchange = Exchange(question, generator=speaker_name(release.id))
    speaking = model.stream(conversation(standing, question.history), generation)
    live = sys.stdout.isatty() and not as_json
    try:
        with exchange.timed("generation"):
            while True:
                piece = next(speaking)
                if live:
                    print(piece, end="", flush=True)
    except StopIteration as end:
        completion: ChatCompletion = end.value
    except (TooLarge, Transient) as failure:
        raise RagloopError(f"the chat model cannot answer this ({failure}): ask more briefly, or ragloop ask") from None
    finally:
        speaking.close()
    exchange.says(completion.text)
    record_interaction(space.database, exchange.interaction(release))
    pace = completion.tokens_out / exchange.timings["generation"]
    if as_json:
        facts = {
            "id": question.id,
            "question": question.text,
            "release_id": release.id,
            "way": "closed-book",
            "tokens_per_s": round(pace, 1),
        }
        print(json.dumps(facts | completion.model_dump(), indent=2))
    else:
        print("" if live else completion.text)
        _show_origin(completion, release, pace)
    return completion.text


def _show_origin(completion: "ChatCompletion", release: "Release", pace: float) -> None:
    from app.output import say_aside

    cut = "; cut short: give --max-new-tokens" if completion.cut else ""
    said = f"chat model of release {release.id}, {pace:.0f} tokens/s, confidence {completion.confidence:.2f}{cut}"
    say_aside(f"{said}; from memory, without sources: `ragloop ask` cites")
