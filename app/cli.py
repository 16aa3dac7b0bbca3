"""The `ragloop` command. Heavy imports stand inside the commands, so that help answers at once."""

import errno
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import rag  # noqa: F401  sets the switches that heavy packages read when they are imported
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.config import Profile
    from rag.evaluation.gate import Verdict
    from rag.workspace import Workspace

app = typer.Typer(
    name="ragloop",
    help="Answers from your documents, and a loop that makes them better. Exit code 2: wrong input, said in one line.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
pairs_app = typer.Typer(help="Real and synthetic questions.", no_args_is_help=True)
releases_app = typer.Typer(help="What serves, what did, and what was kept out.", no_args_is_help=True)
app.add_typer(pairs_app, name="pairs")
app.add_typer(releases_app, name="releases")

Collection = Annotated[str, typer.Option("--collection", "-c", help="Which collection of documents.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="cpu, gpu-6gb, gpu-16gb or smoke; fitted to the machine unless given.")
]
INGEST_MB, RETRAIN_MB = 300, 1500


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders: PDF, DOCX, TXT, Markdown, HTML.")],
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Add documents; search finds them at once. Exit code 2 if a file was refused; the others are in."""
    from app.ephemeral import start_server
    from app.output import say_steps, show_facts
    from rag.corpus.files import find_documents

    found = find_documents(paths)
    space = _workspace(INGEST_MB, create=True)
    chosen = _profile(space, profile)
    say_steps()
    start_server(space.home)
    from flows.ingest import ingest as ingest_flow

    outcome = ingest_flow({file.name: str(file.path.absolute()) for file in found.files}, collection, chosen)
    summary = outcome.summary
    for reason in summary.refused.values():
        _complain(reason)
    facts = {
        "added": len(summary.added),
        "updated": len(summary.updated),
        "unchanged": len(summary.unchanged),
        "refused": len(summary.refused),
        "skipped": len(found.skipped),
        "chunks": summary.chunks,
        "release": outcome.release_id,
    }
    show_facts(facts, as_json)
    if summary.refused:
        raise typer.Exit(2)


@app.command()
def documents(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List the documents of a collection."""
    from app.output import show_rows
    from rag.corpus.artifact import active_documents

    fields = ("name", "version", "n_pages", "n_chunks", "n_chars", "split", "ingested_at")
    rows = [{f: getattr(d, f) for f in fields} for d in active_documents(_workspace().database, collection)]
    show_rows(rows, f"documents of {collection}", as_json, empty="none; add some with `ragloop ingest PATH`")


@pairs_app.command("import")
def import_pairs(
    file: Annotated[Path, typer.Argument(help="JSONL: question, answer, document?, answer_start?, answer_end?.")],
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Take real questions and tie each to the passage that answers it; what cannot be tied is refused by name."""
    from app.output import show_facts
    from rag.pairs.collection import import_questions, load_alignable
    from rag.pairs.questions_file import read_questions

    questions = read_questions(file)
    space = _workspace()
    known = load_alignable(space.artifacts, space.database, collection)
    summary = import_questions(space.database, space.sealer, collection, questions, known)
    for reason in summary.refused:
        _complain(reason)
    facts = {"imported": summary.imported, "duplicates": summary.duplicates, "refused": len(summary.refused)}
    show_facts(facts, as_json)
    if summary.refused:
        raise typer.Exit(2)


@pairs_app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made if missing.")],
    collection: Collection = "default",
    profile: ProfileName = None,
) -> None:
    """Write the training data as plain files, readable by you alone (0600): they are no longer sealed."""
    from app.output import say_steps
    from rag.corpus.artifact import load_chunks, load_texts
    from rag.pairs.artifact import collection_pairs, load_pairs
    from rag.pairs.export import export_pairs

    space = _workspace()
    say_steps()
    made = collection_pairs(space.artifacts, space.database, collection, _config(space, profile))
    texts = {doc_id: text.text for doc_id, text in load_texts(space.artifacts, made.corpus).items()}
    pairs = [pair for part in load_pairs(space.artifacts, made.pairs) for pair in part]
    for path in export_pairs(folder, pairs, load_chunks(space.artifacts, made.corpus), texts).values():
        print(f"{path}  plain text, mode 0600")


@pairs_app.command("stats")
def stats(collection: Collection = "default", profile: ProfileName = None, as_json: AsJson = False) -> None:
    """Count the pairs that a retraining would use, and what was dropped and why."""
    from app.output import say_steps, show_rows
    from rag.pairs.artifact import collection_pairs, pair_rows

    space = _workspace()
    say_steps()
    made = collection_pairs(space.artifacts, space.database, collection, _config(space, profile))
    show_rows(pair_rows(space.artifacts.facts(made.pairs)), f"pairs of {collection}", as_json)


@app.command()
def retrain(
    collection: Collection = "default",
    profile: ProfileName = None,
    shuffle_labels: Annotated[
        bool, typer.Option("--shuffle-labels", help="A drill: learn nonsense, and see the gate keep it out.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train on documents and questions; promote the result only if it is proven better."""
    from app.ephemeral import start_server
    from app.output import say_steps, show_facts

    space = _workspace(RETRAIN_MB)
    chosen = _profile(space, profile)
    say_steps()
    start_server(space.home)
    from flows.retrain import retrain as retrain_flow

    outcome = retrain_flow(collection, chosen, shuffle_labels)
    if as_json:
        print(outcome.model_dump_json(indent=2))
    elif outcome.verdict is None:
        facts = {"result": outcome.nothing_new, "production": f"release {_production_id(space, collection)}, unchanged"}
        show_facts(facts, as_json=False)
    else:
        _show_verdict(outcome.verdict, outcome.release_id)


@app.command()
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
    space = _workspace()
    retriever = open_retriever(space, collection, release, _config(space, None))
    if out is not None:
        write_run(out, retriever, queries, top_k)
        print(f"{len(queries)} questions searched; results in {out}")
        return
    hits = retriever.search(Query(id="terminal", question=question or "", restrict_to=only), top_k)
    rows = [hit_fields(hit) | {"passage": hit.passage} if as_json else hit_row(hit) for hit in hits]
    show_rows(rows, f"release: {release}", as_json)


@app.command()
def evaluate(
    release: Annotated[str, typer.Option(help="A release's id, or production.")] = "production",
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Ask a release the sealed evaluation questions and show hit@k, MRR and nDCG by origin and type."""
    from app.ephemeral import start_server
    from app.output import say_steps, show_rows
    from rag.evaluation.artifact import load_report
    from rag.evaluation.tables import report_rows
    from rag.pairs.artifact import collection_pairs

    space = _workspace()
    config = _config(space, profile)
    say_steps()
    pairs = collection_pairs(space.artifacts, space.database, collection, config).pairs
    start_server(space.home)
    from flows.evaluate import evaluate as evaluate_flow

    report = load_report(space.artifacts, evaluate_flow(collection, release, pairs))
    show_rows(report_rows(report), f"release {release} of {collection}", as_json)
    if not as_json:
        print(f"general set hit@1 {report.general_hit1:.3f}; p95 {report.latency_p95_ms} ms to retrieve")


@releases_app.command("list")
def list_releases(collection: Collection = "default", as_json: AsJson = False) -> None:
    """List the releases of a collection, newest first."""
    from app.output import show_rows

    releases = _workspace().registry.list(collection)
    fields = ("id", "state", "parent_id", "reason", "created_at")
    rows = [{f: getattr(r, f) for f in fields} for r in sorted(releases, key=lambda r: -r.id)]
    show_rows(rows, f"releases of {collection}", as_json, empty="none; add documents with `ragloop ingest PATH`")


@releases_app.command("show")
def show_release(
    release: Annotated[str, typer.Argument(help="A release's id, or production.")],
    collection: Collection = "default",
    as_json: AsJson = False,
) -> None:
    """Show what a release is made of and the verdict on it."""
    from app.output import show_facts
    from rag.evaluation.gate import Verdict
    from rag.releases import last_judgement, named_release

    space = _workspace()
    found = named_release(space, collection, release)
    judgement = last_judgement(space, found)
    if as_json:
        verdict = judgement.model_dump(mode="json", exclude={"id", "release_id"}) if judgement else None
        print(json.dumps(found.model_dump(mode="json") | {"verdict": verdict}, indent=2))
        return
    facts = found.model_dump(mode="json", exclude={"config", "embedder", "index", "lineage"})
    facts |= {"embedder": found.embedder.uri, "index": found.index.uri}
    facts |= {f"from {name}": ref["uri"] for name, ref in found.lineage.items()}
    show_facts({name: value for name, value in facts.items() if value is not None}, as_json=False)
    if judgement:
        _show_verdict(Verdict.model_validate(judgement.metrics), found.id, f"release {judgement.against_id}")


@releases_app.command()
def promote(
    release: Annotated[int, typer.Argument(help="A release's id.")],
    collection: Collection = "default",
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "promoted by hand",
) -> None:
    """Put a release into production, gate or no gate."""
    space = _workspace()
    now = space.registry.promote(collection, space.registry.get(collection, release).id, reason)
    print(f"release {now.id} serves {collection}")


@releases_app.command()
def rollback(
    collection: Collection = "default",
    reason: Annotated[str, typer.Option(help="Kept in the history.")] = "rolled back by hand",
) -> None:
    """Put the release that served before back into production."""
    now = _workspace().registry.rollback(collection, reason)
    print(f"release {now.id} serves {collection} again")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the home, the key, the disk, the models and the packages; exit code 2 if something is missing."""
    from app.doctor import check_rows, run_checks
    from app.output import show_rows
    from rag.settings import Settings

    checks = run_checks(Settings())
    show_rows(check_rows(checks), "ragloop doctor", as_json)
    if not all(well for _, well, _ in checks):
        raise typer.Exit(2)


def _workspace(room_mb: int = 0, create: bool = False) -> "Workspace":
    from rag.settings import Settings
    from rag.workspace import Workspace

    space = Workspace.open(Settings(), create)
    space.require_room(room_mb)
    return space


def _profile(space: "Workspace", name: str | None) -> "Profile":
    from rag.config import Profile, detect_profile, load_config

    chosen = name or space.settings.profile or detect_profile()
    load_config(chosen)
    return Profile(chosen)


def _config(space: "Workspace", name: str | None) -> Any:
    from rag.config import load_config

    return load_config(_profile(space, name))


def _production_id(space: "Workspace", collection: str) -> int:
    from rag.releases import serving_release

    return serving_release(space, collection).id


def _show_verdict(verdict: "Verdict", release_id: int, against: str = "production") -> None:
    from app.output import show_rows
    from rag.evaluation.tables import comparison_rows

    show_rows(comparison_rows(verdict), f"release {release_id} against {against}", as_json=False)
    print(f"verdict: {verdict.decision.upper()} release {release_id}: {verdict.reason}")


def _complain(line: str) -> None:
    print(f"ragloop: {line}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can mend is one line on standard error and exit code 2."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of a kernel that nothing here needs
    try:
        app(args=arguments)
    except RagloopError as error:
        _complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has had enough
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        _complain(f"{error.filename or 'the disk'}: {error.strerror}: make room or give access, then run it again")
    except ValueError as error:
        line = _settings_error(error)
        if line is None:
            raise
        _complain(line)
    else:
        return
    sys.exit(2)


def _settings_error(error: ValueError) -> str | None:
    """Return the line for a RAGLOOP_ variable that cannot be used; None for any other error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return None
    first = error.errors()[0]
    name = "RAGLOOP_" + "_".join(str(part) for part in first["loc"]).upper()
    return f"{name} is set to {first['input']!r}, which cannot be used: {first['msg']}"


if __name__ == "__main__":
    main()
