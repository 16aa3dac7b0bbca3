"""What a collection has learned: the feedback that waits, its releases as they were judged, and what served when."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from rag.config import GateConfig
from rag.evaluation.gate import Verdict
from rag.evaluation.way_artifact import KIND as ANSWERS
from rag.evaluation.way_report import F1
from rag.feedback.claims import Waiting, waiting_in
from rag.judgement import judged_gate
from rag.workspace import Workspace
from storage.release import Evaluation, Promotion, Release, ReleaseState

SHOWN = 50
"""Releases and changes of a collection, the last; what serves and what it replaced are told besides."""


class Judged(BaseModel):
    """How a release compared with what it was to replace."""

    model_config = ConfigDict(frozen=True)

    against_id: int | None
    at: datetime
    metric: str
    """The one that decided, a name among those of the verdict."""
    verdict: Verdict
    """Of each metric what both had, and the paired gain with its interval."""


class Learned(BaseModel):
    """A release; a retraining that found nothing new has left none."""

    model_config = ConfigDict(frozen=True)

    id: int
    parent_id: int | None
    state: ReleaseState
    reason: str
    created_at: datetime
    promoted_at: datetime | None
    judged: Judged | None
    """None if it never was, as one that brought in new documents alone."""


class Learning(BaseModel):
    """All that is known without the server of the retrainings."""

    model_config = ConfigDict(frozen=True)

    collection: str
    feedback: Waiting
    """What is new, and from how much a retraining starts by itself."""
    releases: tuple[Learned, ...]
    """Oldest first."""
    changes: tuple[Promotion, ...]
    """Of what serves, oldest first."""


def learning(space: Workspace, collection: str) -> Learning:
    """Return what a collection has learned; nothing if it is not known."""
    judgements = space.registry.judgements(collection)
    releases, changes = space.registry.list(collection), space.registry.history(collection)
    told: set[int | None] = {each.id for each in releases[-SHOWN:]}
    if changes:
        told |= {changes[-1].release_id, changes[-1].previous_id}
    return Learning(
        collection=collection,
        feedback=waiting_in(space.database, collection, space.settings.feedback_threshold),
        releases=tuple(_learned(release, judgements.get(release.id)) for release in releases if release.id in told),
        changes=tuple(changes[-SHOWN:]),
    )


def _learned(release: Release, judgement: Evaluation | None) -> Learned:
    return Learned(
        judged=_judged(judgement) if judgement else None,
        **release.model_dump(include=set(Learned.model_fields) - {"judged"}),
    )


def _judged(judgement: Evaluation) -> Judged:
    gate = judged_gate(judgement) or {}
    return Judged(
        against_id=judgement.against_id,
        at=judgement.created_at,
        metric=F1 if judgement.artifact.kind == ANSWERS else gate.get("metric", GateConfig().metric),
        verdict=Verdict.model_validate(judgement.metrics),
    )
