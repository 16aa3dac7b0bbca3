"""Tasks and callbacks that leave something to look at in the Prefect UI."""

import hashlib
import re
from typing import cast
from uuid import UUID

from prefect import runtime, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE

from rag.chat.serving import chat_model_rows
from rag.evaluation.artifact import load_report
from rag.evaluation.comparison import WayComparison, load_comparison
from rag.evaluation.gate import Verdict
from rag.evaluation.tables import cost_rows, left_out_note, picture_markdown, report_rows, way_rows
from rag.pairs.artifact import writing_rows
from rag.releases import CHAT_ROUTER
from rag.settings import Settings
from rag.training.progress import TrainingProgress
from rag.tuning.search import Search, trial_rows
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.registry import Release

_DIGITS = 8
"""Of the digest in the key of a collection whose name is none."""


@task(cache_policy=NO_CACHE)
def publish_questions(synthetic: ArtifactRef, collection: str) -> None:
    """Leave the counts of the questions that were written, and what they cost."""
    rows = writing_rows(Workspace.open(Settings()).artifacts.facts(synthetic))
    create_table_artifact(
        key=artifact_key("written-questions", collection), table=rows, description=f"Questions written for {collection}"
    )


@task(cache_policy=NO_CACHE)
def publish_report(report: ArtifactRef, collection: str, title: str) -> None:
    """Leave the metrics table, and say what was not asked."""
    found = load_report(Workspace.open(Settings()).artifacts, report)
    said = f"{title} of {collection}" + (f"; {left_out_note(found)}" if found.left_out else "")
    create_table_artifact(key=artifact_key("retrieval-metrics", collection), table=report_rows(found), description=said)


@task(cache_policy=NO_CACHE)
def publish_verdict(verdict: Verdict, candidate: Release, what: str = "verdict") -> None:
    """Leave the page about a judged release, without what people wrote."""
    from rag.report.facts import release_report
    from rag.report.markdown import markdown_page

    space = Workspace.open(Settings())
    report = release_report(space, space.registry.get(candidate.collection, candidate.id))
    links = {"the run that made it": runtime.flow_run.ui_url} if runtime.flow_run.ui_url else {}
    page = markdown_page(report, links)
    create_markdown_artifact(key=artifact_key(what, candidate.collection), markdown=page, description=verdict.reason)


@task(cache_policy=NO_CACHE)
def publish_chat_model(candidate: Release, model: ArtifactRef) -> None:
    """Leave what the chat model was taught, how its training went, and from which confidence it is trusted."""
    facts = Workspace.open(Settings()).artifacts.facts(model)
    rows = chat_model_rows(facts, candidate.lineage.get(CHAT_ROUTER))
    title = f"Chat model of release {candidate.id} of {candidate.collection}"
    create_table_artifact(key=artifact_key("chat-model", candidate.collection), table=rows, description=title)


@task(cache_policy=NO_CACHE)
def publish_comparison(comparison: WayComparison, collection: str) -> None:
    """Leave the ways to answer side by side: a table by group of questions, one of what they cost, and a picture."""
    from rag.evaluation.pictures import ways_picture

    reports = load_comparison(Workspace.open(Settings()).artifacts, comparison)
    title = f"Ways to answer of release {comparison.release_id} of {collection}"
    create_table_artifact(key=artifact_key("chat-comparison", collection), table=way_rows(reports), description=title)
    create_table_artifact(key=artifact_key("chat-costs", collection), table=cost_rows(reports), description=title)
    picture = picture_markdown("ways to answer", ways_picture(reports, title))
    create_markdown_artifact(key=artifact_key("chat-picture", collection), markdown=picture, description=title)


@task(cache_policy=NO_CACHE)
def publish_trials(search: Search, collection: str) -> None:
    """Leave what was tried, the best first."""
    lines = f"in the config file, the best:\n\n```toml\n{search.best.settings.toml()}```"
    title = f"Trials of {collection}: {search.conclusion}; {lines}"
    create_table_artifact(key=artifact_key("trials", collection), table=trial_rows(search), description=title)


class TrainingReport:
    """Moves a bar in the UI as a training goes on, with its latest figures."""

    def __init__(self, model: str, collection: str) -> None:
        """Name what is trained, and for which collection."""
        self._model = model
        self._key = artifact_key(f"{model.replace(' ', '-')}-training", collection)
        self._artifact: UUID | None = None
        self._latest = ""

    def __call__(self, now: TrainingProgress) -> None:
        """Show how far it is; the server may be away, and the training goes on."""
        if now.validation is not None:
            self._latest = f"; validation {now.metric} {now.validation:.3f} at step {now.step}"
        said = f"{self._model}: epoch {now.epoch:.1f}, step {now.step} of {now.total_steps}{self._latest}"
        percent = round(100 * now.share, 1)
        if self._artifact is None:
            self._artifact = cast(UUID, create_progress_artifact(percent, key=self._key, description=said))
        else:
            update_progress_artifact(self._artifact, percent, description=said)


def artifact_key(what: str, collection: str) -> str:
    """Return an artifact's key; it is the same each time, so that the UI keeps the history.

    Prefect takes lower-case letters, digits and dashes alone; a digest tells collections apart that these do not.
    """
    plain = re.sub("[^a-z0-9]+", "-", collection.lower()).strip("-")
    told_apart = "" if plain == collection else hashlib.sha256(collection.encode()).hexdigest()[:_DIGITS]
    return "-".join(part for part in (what, plain, told_apart) if part)
