"""Real and synthetic questions."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import AsJson, Collection, ProfileName, chosen_config, complain, open_workspace
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.pairs.collection import ImportSummary
    from rag.pairs.harvest import HarvestSummary

commands = typer.Typer(help="Real and synthetic questions.", no_args_is_help=True)


@commands.command("import")
def import_pairs(
    file: Annotated[Path, typer.Argument(help="JSONL: question, answer, document?, answer_start?, answer_end?.")],
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Take real questions and tie each to the passage that answers it; what cannot be tied is refused by name."""
    from rag.pairs.collection import import_questions, load_alignable
    from rag.pairs.questions_file import read_questions

    questions = read_questions(file)
    space = open_workspace()
    known = load_alignable(space.artifacts, space.database, collection)
    summary = import_questions(space.database, space.sealer, collection, questions, known)
    _show_summary(summary, as_json)
    if summary.refused:
        raise typer.Exit(2)


@commands.command("harvest")
def harvest_log(
    file: Annotated[Path, typer.Argument(help="JSONL of turns: conversation_id, role, content; or of {messages: []}.")],
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Take the questions of a chat log whose answers stand in the documents; the others are refused by line."""
    from rag.pairs.harvest import harvest
    from rag.pairs.json_lines import file_lines

    summary = harvest(open_workspace(), collection, file_lines(file), str(file))
    _show_summary(summary, as_json)


def _show_summary(summary: "ImportSummary | HarvestSummary", as_json: bool) -> None:
    """Say line by line what was refused, and count the rest."""
    from app.output import show_facts

    for reason in summary.refused:
        complain(reason)
    counts = summary.model_dump() | {"refused": len(summary.refused)}
    show_facts(summary.model_dump() if as_json else counts, as_json)


@commands.command("candidates")
def candidates(
    accept: Annotated[list[str] | None, typer.Option(help="Id of one to judge releases by; may be repeated.")] = None,
    accept_all: Annotated[bool, typer.Option("--all", help="Accept all of them.")] = False,
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """List what feedback asks of documents that releases are judged by; a person accepts what is right."""
    from app.output import show_facts, show_rows
    from rag.pairs.candidates import accept_candidates, candidate_questions

    if accept and accept_all:
        raise RagloopError("give --accept with ids, or --all for all of them")
    space = open_workspace()
    config = chosen_config(space, profile)
    if accept or accept_all:
        summary = accept_candidates(space, collection, config, None if accept_all else accept)
        for reason in summary.refused:
            complain(reason)
        refused = list(summary.refused) if as_json else len(summary.refused)
        show_facts({"accepted": summary.imported, "refused": refused}, as_json)
        return
    rows = [
        {
            "id": row.id,
            "question": row.anchor,
            "answer": row.answer,
            "document": row.document,
            "answer_start": row.answer_start,
            "answer_end": row.answer_end,
            "weight": row.weight,
        }
        for row in candidate_questions(space, collection, config)
    ]
    show_rows(rows, f"questions that may judge releases of {collection}", as_json, empty="none")


@commands.command("evaluation-sets")
def evaluation_sets(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List the frozen sets of questions that releases are judged by, and why each took the place of the one before."""
    from app.output import show_rows
    from rag.evaluation.sets import evaluation_sets as versions
    from rag.pairs.pair import Origin

    space = open_workspace()
    rows = []
    for each in versions(space, collection):
        facts = space.artifacts.facts(each.ref)
        counts = {origin.value: facts["by_origin"].get(origin, 0) for origin in (Origin.REAL, Origin.SYNTHETIC)}
        row = {"version": each.version, **counts, "documents": facts["documents"]}
        rows.append(row | {"frozen": each.created_at, "because": each.reason})
    show_rows(rows, f"evaluation sets of {collection}", as_json, empty="none yet: the first retraining freezes one")


@commands.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made if missing.")],
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Write the training data as plain files, readable by you alone (0600): they are no longer sealed."""
    from app.output import say_steps, show_done
    from rag.corpus.artifact import load_chunks, load_texts
    from rag.llm.access import LanguageModels
    from rag.pairs.artifact import collection_pairs, load_pairs
    from rag.pairs.export import export_pairs

    space = open_workspace()
    say_steps()
    config = chosen_config(space, profile)
    made = collection_pairs(space.artifacts, space.database, collection, config, LanguageModels.of(space))
    texts = {doc_id: text.text for doc_id, text in load_texts(space.artifacts, made.corpus).items()}
    pairs = [pair for part in load_pairs(space.artifacts, made.pairs) for pair in part]
    files = export_pairs(folder, pairs, load_chunks(space.artifacts, made.corpus), texts)
    show_done("\n".join(f"{path}  plain text, mode 0600" for path in files.values()), files, as_json)


@commands.command("stats")
def stats(collection: Collection = "default", profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Count the pairs that a retraining would use, and what was dropped and why."""
    from app.output import say_steps, show_rows
    from rag.llm.access import LanguageModels
    from rag.pairs.artifact import collection_pairs, pair_rows

    space = open_workspace()
    say_steps()
    config = chosen_config(space, profile)
    made = collection_pairs(space.artifacts, space.database, collection, config, LanguageModels.of(space))
    show_rows(pair_rows(space.artifacts.facts(made.pairs)), f"pairs of {collection}", as_json)


@commands.command("dropped")
def dropped(
    filter_name: Annotated[
        str | None, typer.Option("--filter", help="Only what this one dropped, named as in `pairs stats`.")
    ] = None,
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Show the pairs that a retraining would leave out: which filter dropped each, and what it found."""
    from app.output import say_steps, show_rows
    from rag.errors import ConfigError
    from rag.llm.access import LanguageModels
    from rag.pairs.artifact import collection_pairs, load_dropped
    from rag.pairs.dropped import DropReason

    wanted = [reason for reason in DropReason if filter_name in (None, reason.value, reason.label)]
    if not wanted:
        raise ConfigError(f"no filter named {filter_name!r}: choose one of {', '.join(DropReason)}")
    space = open_workspace()
    say_steps()
    config = chosen_config(space, profile)
    made = collection_pairs(space.artifacts, space.database, collection, config, LanguageModels.of(space))
    rows = [
        {
            "filter": pair.reason.label,
            "split": pair.split,
            "origin": pair.origin,
            "question": pair.question,
            "answer": pair.answer,
            "document": pair.document,
            "what_was_found": pair.detail,
        }
        for pair in load_dropped(space.artifacts, made.pairs)
        if pair.reason in wanted
    ]
    show_rows(rows, f"pairs of {collection} that were dropped", as_json, empty="none")
