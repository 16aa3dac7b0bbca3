"""Documents in, passages out."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.cli import completion
from app.cli.options import AsJson, Collection, ProfileName, chosen_config, chosen_profile, complain, open_workspace
from storage.errors import RagloopError

commands = typer.Typer()

INGEST_MB = 300
"""What taking documents in needs on the disk."""


@commands.command()
def ingest(
    paths: Annotated[
        list[str], typer.Argument(help="Files and folders, or URIs such as s3://...: PDF, DOCX, TXT, Markdown, HTML.")
    ],
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Add documents; search finds them at once. Exit code 2 if a file was refused; the others are in."""
    from app.cli.ephemeral import start_server
    from app.output import say_aside, say_steps, show_facts, show_json
    from rag.corpus.files import find_documents

    sources = [path if "://" in path else str(Path(path).absolute()) for path in paths]
    find_documents(sources)  # what is not there is said before anything is made
    space = open_workspace(INGEST_MB, create=True)
    chosen = chosen_profile(space, profile)
    say_steps()
    start_server(space.home)
    from flows.ingest import ingest as ingest_flow

    outcome = ingest_flow(sources, collection, chosen)
    summary = outcome.summary
    for reason in summary.refused.values():
        complain(reason)
    if as_json:
        refused = [{"name": name, "reason": reason} for name, reason in summary.refused.items()]
        show_json(summary.model_dump() | {"refused": refused, "release": outcome.release_id})
    else:
        if summary.skipped:
            say_aside(f"skipped, hidden or of no known kind: {', '.join(summary.skipped)}")
        counts = {name: len(getattr(summary, name)) for name in ("added", "updated", "unchanged", "refused", "skipped")}
        show_facts(counts | {"chunks": summary.chunks, "release": outcome.release_id}, as_json=False)
    if summary.refused:
        raise typer.Exit(2)


@commands.command()
def documents(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List the documents of a collection."""
    from app.output import show_rows
    from rag.corpus.artifact import active_documents

    fields = ("name", "version", "n_pages", "n_chunks", "n_chars", "split", "ingested_at")
    rows = [{f: getattr(d, f) for f in fields} for d in active_documents(open_workspace().database, collection)]
    show_rows(rows, f"documents of {collection}", as_json, empty="none; add some with `ragloop ingest PATH`")


@commands.command()
def forget(
    name: Annotated[
        str,
        typer.Argument(
            help="The document's name, as `ragloop documents` lists it.", autocompletion=completion.documents
        ),
    ],
    collection: Collection = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Delete a document: its text, vectors, questions, answers that cite it, and the releases that hold it."""
    from app.output import say_steps, show_facts
    from rag.corpus.artifact import active_documents
    from rag.deletion import delete_document

    space = open_workspace(INGEST_MB)
    config = chosen_config(space, profile)
    document = next((row for row in active_documents(space.database, collection) if row.name == name), None)
    if document is not None and not yes:  # one that is not there is none, or was begun to be deleted
        if not sys.stdin.isatty():
            raise RagloopError(f"deleting {name!r} cannot be undone: add --yes to have it done without being asked")
        typer.echo(
            f"{name} of {collection}: version {document.version} and those before, {document.n_chunks} passages, its\n"
            "vectors, its questions, and the answers that cite it. Files that were exported, and backups, stay.",
            err=as_json,
        )
        if not typer.confirm("Delete it for good?", err=as_json):
            raise typer.Exit(1)
    say_steps()
    done = delete_document(space, collection, name, config)
    if as_json:
        print(done.model_dump_json(indent=2))
        return
    facts = done.model_dump(exclude={"withdrawn", "releases"}) | {"serving": done.serving or "nothing"}
    for title, ids in (("withdrawn", done.withdrawn), ("trained on it", done.releases)):
        facts[title] = ", ".join(f"release {number}" for number in ids) or "none"
    show_facts(facts, as_json=False)
    if done.serving_saw_it:
        print("the models that serve have learned from it: `ragloop retrain` trains new ones without it")


@commands.command()
def search(
    question: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    questions: Annotated[Path | None, typer.Option(help="JSONL: id, question, history?, restrict_to?.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the results of --questions go, a line each.")] = None,
    top_k: Annotated[int, typer.Option(min=1, max=1000, help="Passages for each question.")] = 5,
    release: Annotated[
        str,
        typer.Option(help="A release's id, production, or base (untuned).", autocompletion=completion.release_names),
    ] = "production",
    document: Annotated[
        str | None, typer.Option(help="Search in this document alone.", autocompletion=completion.documents)
    ] = None,
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Find the passages that answer a question, or a file of questions."""
    if (question is None) == (questions is None):
        raise RagloopError("give one question, or --questions FILE.jsonl with --out RUN.jsonl")
    if (questions is None) != (out is None):
        raise RagloopError("--questions and --out go together: ragloop search --questions FILE.jsonl --out RUN.jsonl")
    if question is not None and not question.strip():
        raise RagloopError("the question is empty: give some words to search for")
    if out is not None and not out.absolute().parent.is_dir():
        raise RagloopError(f"{out}: the folder {out.absolute().parent} is not there: make it first")
    from app.output import say_aside, show_done, show_rows
    from app.searching import as_query, hit_facts, hit_row, write_run
    from rag.pairs.questions_file import read_search_questions
    from rag.releases import open_retriever
    from rag.retrieval.query import Query

    only = (document,) if document else ()
    queries = [as_query(q, only) for q in read_search_questions(questions)] if questions else []
    space = open_workspace()
    say_aside("loading…")
    retriever = open_retriever(space, collection, release, chosen_config(space, None))
    if out is not None:
        write_run(out, retriever, queries, top_k)
        said = f"{len(queries)} questions searched; results in {out}"
        show_done(said, {"questions": len(queries), "file": out}, as_json)
        return
    hits = retriever.search(Query(id="terminal", question=question or "", restrict_to=only), top_k)
    rows = [hit_facts(hit) if as_json else hit_row(hit) for hit in hits]
    show_rows(rows, f"release: {release}", as_json)
