"""Measure a release: what it finds, and what it answers."""

import os.path
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from app.cli.options import (
    AsJson,
    Collection,
    Force,
    ProfileName,
    ReleaseName,
    chosen_profile,
    open_workspace,
    require_folder,
    require_new,
    require_place,
)
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.config import Config, GeneratorKind, Ranker
    from rag.evaluation.judged_artifact import MeasuredAnswers
    from rag.profiles import Profile
    from rag.workspace import Workspace
    from storage.artifacts import ArtifactRef
    from storage.release import Release

commands = typer.Typer()


def generator_name(name: str | None) -> "GeneratorKind | None":
    """Return who is to answer.

    :raises RagloopError: if nobody is called so.
    """
    from rag.config import GeneratorKind

    if name is not None and name not in list(GeneratorKind):
        raise RagloopError(f"no generator is called {name!r}: give {', '.join(GeneratorKind)}")
    return GeneratorKind(name) if name else None


def ranker_name(name: str | None) -> "Ranker | None":
    """Return what is to rank.

    :raises RagloopError: if nothing is called so.
    """
    from rag.config import Ranker

    if name is not None and name not in list(Ranker):
        raise RagloopError(f"no retriever is called {name!r}: give {', '.join(Ranker)}")
    return Ranker(name) if name else None


@commands.command()
def evaluate(
    release: ReleaseName = "production",
    answers: Annotated[
        bool, typer.Option("--answers", help="Measure whole answers, not only what is found for them.")
    ] = False,
    generator: Annotated[
        str | None,
        typer.Option(
            help="With --answers: who alone answers, extractive, groq, local or chat-model; as configured unless given."
        ),
    ] = None,
    retriever: Annotated[
        str | None,
        typer.Option(help="What alone ranks: bm25, dense or mixed; as the release does unless given."),
    ] = None,
    questions: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="A version of the evaluation set; or a ragas dataset FILE.jsonl, which is answered, or a BEIR folder, "
            "which is searched. The set that judges now unless given.",
        ),
    ] = None,
    export_ragas: Annotated[
        Path | None, typer.Option(help="Write questions and answers as a ragas dataset, in plain text.")
    ] = None,
    export_beir: Annotated[
        Path | None, typer.Option(help="Write questions and all passages as a BEIR folder, in plain text.")
    ] = None,
    force: Force = False,
    collection: Collection = "default",
    profile: ProfileName = None,
    as_json: AsJson = False,
) -> None:
    """Ask a release the sealed evaluation questions: what it finds (hit@k, MRR, nDCG), or with --answers what it says.

    Answers are measured by their citations, words and refusals, by ragas, and by a judge if one is configured.
    """
    speaker, ranker = generator_name(generator), ranker_name(retriever)
    file, version = _chosen_set(questions)
    answers = answers or (file is not None and file.is_file())
    _refuse(answers and ranker, "--retriever goes without --answers, which rest on the whole search")
    _refuse(not answers and speaker, "--generator goes with --answers")
    _refuse(not answers and export_ragas, "--export-ragas goes with --answers")
    _refuse(file and export_beir, "--export-beir writes our own questions: leave out --set, or give it a version")
    _refuse(force and not (export_ragas or export_beir), "--force goes with --export-ragas or --export-beir")
    _refuse(answers and file and file.is_dir(), f"{file} has no right answers: leave out --answers")
    if export_ragas is not None:
        require_place(export_ragas, "--export-ragas", makes_folders=True)
        require_new([export_ragas], force)
    if export_beir is not None:
        from rag.evaluation.beir import CORPUS, QRELS, QUERIES

        require_folder(export_beir, "--export-beir")
        require_new([export_beir / name for name in (CORPUS, QUERIES, QRELS)], force)
    from app.output import say_steps
    from rag.evaluation.sets import named_set
    from rag.releases import named_release

    space = open_workspace()
    if version is not None:
        named_set(space, collection, version)
    asked = _Asked(space, chosen_profile(space, profile), named_release(space, collection, release), file, version)
    say_steps()
    made = asked.answers(speaker, as_json) if answers else asked.found(ranker, as_json)
    _export(space, asked.release, made, export_ragas, export_beir, quietly=as_json)


class _Asked(NamedTuple):
    """Which release is asked what."""

    space: "Workspace"
    profile: "Profile"
    release: "Release"
    file: Path | None
    """Somebody else's questions."""
    version: int | None
    """Of our own."""

    @property
    def title(self) -> str:
        """What a table is called."""
        on = f" on {self.file}" if self.file else ""
        return f"release {self.release.id} of {self.release.collection}{on}"

    @property
    def config(self) -> "Config":
        """How it is asked."""
        return self.space.settings.stages(self.profile)

    def answers(self, generator: "GeneratorKind | None", as_json: bool) -> "ArtifactRef":
        """Have it answer, show what that is worth, and return the answers."""
        from app.output import show_facts, show_json, show_rows
        from rag.evaluation.answer_tables import answer_rows, answering_facts, answering_rows, answers_summary
        from rag.evaluation.judged_artifact import load_measured

        measured = self._answered_file(generator) if self.file else self._answered_set(generator)
        report, judged = load_measured(self.space.artifacts, measured)
        if as_json:
            show_json(answers_summary(report, judged))
            return measured.answers
        show_rows(answer_rows(report, judged), f"answers of {self.title}", as_json=False)
        show_rows(answering_rows(report), "to a whole answer", as_json=False)
        show_facts(answering_facts(report, judged), as_json=False)
        return measured.answers

    def found(self, ranker: "Ranker | None", as_json: bool) -> "ArtifactRef | None":
        """Have it search, show what that is worth, and return the report unless it is on somebody else's folder."""
        from app.cli.ephemeral import start_server
        from app.output import show_json, show_rows
        from rag.evaluation.artifact import load_report
        from rag.evaluation.foreign_sets import foreign_retrieval
        from rag.evaluation.tables import left_out_note, report_rows, report_summary

        made: ArtifactRef | None = None
        if self.file:
            report = foreign_retrieval(self.space, self.release, self.file, self.config, ranker)
        else:
            start_server(self.space.home)
            from flows.evaluate import evaluate as flow

            made = flow(self.release.collection, self.profile, str(self.release.id), self.version, ranker)
            report = load_report(self.space.artifacts, made)
        if as_json:
            show_json(report_summary(report))
            return made
        show_rows(report_rows(report), self.title, as_json=False)
        general = f"hit@1 of the embedder alone on general questions {report.general_hit1:.3f}"
        print(f"{general}; p95 {report.latency_p95_ms} ms to retrieve")
        if report.left_out:
            print(left_out_note(report))
        if report.refusals:
            there = report.refusals
            print(
                f"no answer for {there.share:.1%} of {there.asked} questions that nothing answers, and for "
                f"{there.wrong_share:.1%} of {there.answerable} others"
            )
        return made

    def _answered_set(self, generator: "GeneratorKind | None") -> "MeasuredAnswers":
        from app.cli.ephemeral import start_server

        start_server(self.space.home)
        from flows.evaluate_answers import evaluate_answers as flow

        return flow(self.release.collection, self.profile, str(self.release.id), self.version, generator)

    def _answered_file(self, generator: "GeneratorKind | None") -> "MeasuredAnswers":
        from rag.evaluation.foreign_sets import foreign_answers
        from rag.evaluation.judged_artifact import MeasuredAnswers, judged_artifact, require_judge

        assert self.file is not None
        require_judge(self.space, self.config)
        answers = foreign_answers(self.space, self.release, self.file, self.config, generator)
        return MeasuredAnswers(answers=answers, judged=judged_artifact(self.space, answers, self.config))


def _chosen_set(name: str | None) -> tuple[Path | None, int | None]:
    """Return the file or folder that a set is in, or its version."""
    if name is None:
        return None, None
    if name.isascii() and name.isdecimal() and len(name) < 10 and int(name):
        return None, int(name)
    if not os.path.exists(name):  # it is no error that no file could be called so
        raise RagloopError(f"no evaluation set {name!r}: give a version, a ragas dataset or a BEIR folder")
    return Path(name), None


def _refuse(when: object, why: str) -> None:
    if when:
        raise RagloopError(why)


def _export(
    space: "Workspace",
    release: "Release",
    made: "ArtifactRef | None",
    ragas: Path | None,
    beir: Path | None,
    quietly: bool,
) -> None:
    """Write what was asked for of what was measured."""
    from rag.evaluation.foreign_sets import export_answered, export_set

    written: list[Path] = []
    if ragas is not None and made is not None:
        written.append(export_answered(space.artifacts, made, ragas))
    if beir is not None and made is not None:
        written += export_set(space.artifacts, release, made, beir).values()
    for path in written if not quietly else ():
        print(f"{path}: plain text, for you alone to read")
