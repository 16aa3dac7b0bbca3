"""What is known of a release, apart from its rows."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from storage.manifest import ArtifactRef
from storage.recipes import digest_json
from storage.tables import EvaluationRow, PromotionRow, ReleaseRow

CHAT_ROUTER = "chat_router"
"""Under this name a lineage holds the calibration of the chat model's confidence."""
MANNER = "manner"
"""Under this name a lineage holds what a release decides of answering by itself: its prompt template, its way."""


class ReleaseState(StrEnum):
    """Where a release is in its life."""

    CANDIDATE = "candidate"
    PRODUCTION = "production"
    KEPT_OUT = "kept_out"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"
    """It held a document that was deleted, and cannot serve again."""


class Release(BaseModel):
    """Models, index and answering config that serve as one."""

    model_config = ConfigDict(frozen=True)

    id: int
    collection: str
    parent_id: int | None
    reason: str
    """For its latest change of state."""
    state: ReleaseState
    config: dict[str, Any]
    lineage_digest: str
    embedder: ArtifactRef
    index: ArtifactRef
    reranker: ArtifactRef | None
    chat_model: ArtifactRef | None
    answering: dict[str, Any]
    lineage: dict[str, Any]
    created_at: datetime
    promoted_at: datetime | None


class Promotion(BaseModel):
    """One change of production."""

    model_config = ConfigDict(frozen=True)

    release_id: int
    previous_id: int | None
    action: str
    reason: str
    at: datetime


class Evaluation(BaseModel):
    """What a release scored, and the verdict."""

    model_config = ConfigDict(frozen=True)

    id: int
    release_id: int
    against_id: int | None
    evaluation_set_digest: str
    metrics: dict[str, Any]
    verdict: str | None
    reason: str | None
    artifact: ArtifactRef
    created_at: datetime


def lineage_digest(
    embedder: ArtifactRef,
    index: ArtifactRef,
    answering: Mapping[str, Any],
    reranker: ArtifactRef | None = None,
    chat_model: ArtifactRef | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> str:
    """Return the digest of what a release answers by: equal parts make the same release.

    :param lineage: of which the chat model's calibration and the manner of answering count.
    """
    refs = {"embedder": embedder, "index": index, "reranker": reranker, "chat_model": chat_model}
    parts = {name: ref.uri if ref else None for name, ref in refs.items()} | {"answering": dict(answering)}
    # Named only where there is one, so that releases from before these keep their digests.
    own = {name: dict(lineage[name]) for name in (CHAT_ROUTER, MANNER) if lineage and lineage.get(name)}
    return digest_json(parts | own)


def served_steps(changes: Iterable[PromotionRow]) -> list[list[int]]:
    """Return the steps that rollback walks back, by all changes of production, oldest first.

    A step is the releases of the same models, one for each time that documents came.
    """
    steps: list[list[int]] = []
    for change in changes:
        if change.action == "withdraw":
            steps.clear()
        elif change.action == "rollback":
            while change.release_id not in steps[-1]:  # what it undid, and withdrawn ones that it passed over
                steps.pop()
        elif change.action == "refresh" and steps:
            steps[-1].append(change.release_id)
        else:
            steps.append([change.release_id])
    return steps


def release_fact(row: ReleaseRow) -> Release:
    """Return the fact that a row holds."""
    values = row.model_dump()
    for name in ("embedder", "index", "reranker", "chat_model"):
        uri = values.pop(f"{name}_uri")
        values[name] = ArtifactRef.parse(uri) if uri else None
    return Release.model_validate(values)


def evaluation_fact(row: EvaluationRow) -> Evaluation:
    """Return the fact that a row holds."""
    values = row.model_dump()
    return Evaluation.model_validate(values | {"artifact": ArtifactRef.parse(values["artifact_uri"])})
