"""How a release came to be, from what people said to the verdict, and what that took."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select

from rag.chat.data_artifact import KIND as CHAT_DATA
from rag.chat.serving import chat_model_rows
from rag.evaluation.sets import KIND as EVALUATION_SET
from rag.pairs.artifact import writing_rows
from rag.report.changes import SHORT, Row, lineage_ref, manifest_of
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, Manifest
from storage.recipes import digest_json
from storage.release import CHAT_ROUTER, Evaluation, Release
from storage.tables import FeedbackRow, WatermarkRow

_TRAINED = ("pairs", "negatives", "distilled", "steps", "best_step", "stopped_early", "train_loss", "tuned_share")
_MB = 2**20


def lineage_rows(space: Workspace, release: Release, against: Release | None, judged: Evaluation | None) -> list[Row]:
    """Return the steps in their order, each with the artifact that it left and when."""
    store = space.artifacts
    rows = [_feedback(space, release, against)]
    pairs = lineage_ref(release, "pairs")
    made = manifest_of(store, pairs)
    sources = made.inputs if made else {}
    rows += _step(space, "documents", lineage_ref(release, "corpus"))
    for kind, name in (("split", "split by document"), ("synthetic", "questions written")):
        rows += _step(space, name, ArtifactRef.of(kind, sources[kind]) if kind in sources else None)
    rows += _step(space, "pairs", pairs)
    if judged and space.artifacts.find(EVALUATION_SET, judged.evaluation_set_digest):
        rows += _step(space, "evaluation set, frozen", ArtifactRef.of(EVALUATION_SET, judged.evaluation_set_digest))
    tuned = manifest_of(store, release.embedder)
    if tuned and "base" in tuned.inputs:
        rows += _step(space, "base model", ArtifactRef.of("embedder", tuned.inputs["base"]))
    for name in ("embedder", "index", "reranker"):
        rows += _step(space, name, getattr(release, name))
    taught = manifest_of(store, release.chat_model)
    if taught and "data" in taught.inputs:
        rows += _step(space, "conversations", ArtifactRef.of(CHAT_DATA, taught.inputs["data"]))
    rows += _step(space, "chat model", release.chat_model)
    rows.append(
        _row(f"release {release.id}", release.lineage_digest, release.created_at, release.state.value.replace("_", " "))
    )
    if judged:
        rows.append(
            _row(
                "verdict",
                judged.artifact.uri,
                judged.created_at,
                f"{judged.verdict}, against release {judged.against_id}",
            )
        )
    return rows


def _row(step: str, artifact: str, made: datetime | None, what: str) -> Row:
    return {"step": step, "what": what, "artifact": artifact, "made": made}


def _step(space: Workspace, step: str, ref: ArtifactRef | None) -> list[Row]:
    """Return the row of a step; none if it was not taken."""
    if ref is None:
        return []
    manifest = manifest_of(space.artifacts, ref)
    if manifest is None:
        return [_row(step, ref.uri, None, "removed since, with a document that it held")]
    return [_row(step, ref.uri, manifest.created_at, "; ".join(_facts(manifest)))]


def _facts(manifest: Manifest) -> Iterator[str]:
    facts = manifest.facts
    for name in ("base", "method", "writer", "model"):
        if facts.get(name):
            yield f"{name} {facts[name]}"
    for name in ("documents", "chunks", "questions"):
        if name in facts:
            n = facts[name]
            yield f"{n if isinstance(n, int) else len(n):,} {name}"
    if isinstance(counts := facts.get("pairs"), Mapping):
        yield ", ".join(f"{sum(by_origin.values()):,} for {split}" for split, by_origin in counts.items())
    if training := facts.get("training"):
        yield f"trained in {training.get('steps', 0):,} steps"
    if manifest.recipe:
        yield f"recipe {digest_json(manifest.recipe)[:SHORT]}"


def _feedback(space: Workspace, release: Release, against: Release | None) -> Row:
    """Return how many reactions there were when a release was made, and since the one before it was."""
    with space.database.reading() as session:
        query = select(func.count()).where(
            col(FeedbackRow.collection) == release.collection, col(FeedbackRow.created_at) <= release.created_at
        )
        total = session.exec(query).one()
        since = against.created_at if against else None
        new = session.exec(query.where(col(FeedbackRow.created_at) > since)).one() if since else total
        mark = session.get(WatermarkRow, release.collection)
        reached, at = (mark.feedback_id, mark.updated_at) if mark else (0, None)
    after = f", {new:,} of them since release {against.id} was made" if against else ""
    return _row("feedback", f"watermark {reached} today", at, f"{total:,} reactions until then{after}")


def training_rows(space: Workspace, release: Release) -> dict[str, list[Row]]:
    """Return how each part was trained, by its name; those that were not are left out."""
    store = space.artifacts
    found: dict[str, list[Row]] = {}
    for name in ("embedder", "reranker"):
        manifest = manifest_of(store, getattr(release, name))
        if manifest and "training" in manifest.facts:
            found[name] = list(_training(manifest))
    chat = manifest_of(store, release.chat_model)
    if chat and "training" in chat.facts:
        found["chat model"] = chat_model_rows(chat.facts, release.lineage.get(CHAT_ROUTER))
    return found


def _training(manifest: Manifest) -> Iterator[Row]:
    training = manifest.facts["training"]
    for name, value in manifest.config.items():
        yield {"what": f"setting: {name.replace('_', ' ')}", "value": _short(value)}
    for name in _TRAINED:
        if name in training:
            yield {"what": name.replace("_", " "), "value": _short(training[name])}
    for origin, n in manifest.facts.get("trained_on", {}).items():
        yield {"what": f"trained on: {origin} pairs", "value": str(n)}
    for share, scores in training.get("by_tuned_share", {}).items():
        yield {"what": f"validation at a tuned share of {share}", "value": _short(scores)}
    for role in ("base", "training_set", "negatives", "teacher"):
        if role in manifest.inputs:
            yield {"what": f"digest: {role.replace('_', ' ')}", "value": manifest.inputs[role][:32]}


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_short(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def cost_rows(space: Workspace, release: Release) -> list[Row]:
    """Return what a release took: models that were asked, time on the device, and room on the disk."""
    store = space.artifacts
    rows: list[Row] = []
    made = manifest_of(store, lineage_ref(release, "pairs"))
    written = ArtifactRef.of("synthetic", made.inputs["synthetic"]) if made and "synthetic" in made.inputs else None
    if synthetic := manifest_of(store, written):
        bill = [row for row in writing_rows(synthetic.facts) if row["what"].startswith("bill: ")]
        by = synthetic.facts.get("model") or synthetic.facts["writer"]
        none = {"what": f"question writer {by}", "value": "asks no language model: no bill"}
        rows += [{"what": f"question writer {by}, {row['what']}", "value": row["value"]} for row in bill] or [none]
    for name in ("embedder", "reranker", "index", "chat_model"):
        if manifest := manifest_of(store, getattr(release, name)):
            rows += _taken(name.replace("_", " "), manifest)
    return rows


def _taken(name: str, manifest: Manifest) -> Iterator[Row]:
    training = manifest.facts.get("training", {})
    if "ended_at" in training:
        begun, ended = (datetime.fromisoformat(training[at]) for at in ("began_at", "ended_at"))
        yield {"what": f"{name}: training", "value": f"{(ended - begun).total_seconds() / 60:.1f} min"}
    yield {"what": f"{name}: files", "value": f"{manifest.n_bytes / _MB:,.1f} MB"}
