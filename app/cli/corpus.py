"""Documents in, passages out."""

from pathlib import Path
from typing import Annotated

import typer

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
    from app.output import say_steps, show_facts
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
    facts = {
        "added": len(summary.added),
        "updated": len(summary.updated),
        "unchanged": len(summary.unchanged),
        "refused": len(summary.refused),
        "skipped": summary.skipped,
        "chunks": summary.chunks,
        "release": outcome.release_id,
    }
    show_facts(facts, as_json)
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
def search(
    question: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    questions: Annotated[Path | None, typer.Option(help="JSONL: id, question, history?, restrict_to?.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the results of --questions go, a line each.")] = None,
    top_k: Annotated[int, typer.Option(min=1, max=1000, help="Passages for each question.")] = 5,
    release: Annotated[str, typer.Option(help="A release's id, production, or base (untuned).")] = "production",
    document: Annotated[str | None, typer.Option(help="Search in this document alone.")] = None,
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
    from app.output import show_rows
    from app.searching import as_query, hit_fields, hit_row, write_run
    from rag.pairs.questions_file import read_search_questions
    from rag.releases import open_retriever
    from rag.retrieval.query import Query

    only = (document,) if document else ()
    queries = [as_query(q, only) for q in read_search_questions(questions)] if questions else []
    space = open_workspace()
    retriever = open_retriever(space, collection, release, chosen_config(space, None))
    if out is not None:
        write_run(out, retriever, queries, top_k)
        print(f"{len(queries)} questions searched; results in {out}")
        return
    hits = retriever.search(Query(id="terminal", question=question or "", restrict_to=only), top_k)
    rows = [hit_fields(hit) | {"passage": hit.passage} if as_json else hit_row(hit) for hit in hits]
    show_rows(rows, f"release: {release}", as_json)
