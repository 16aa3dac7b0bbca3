"""What serves, what did, and what was kept out."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.api.dependencies import CollectionAdmin, CollectionName, CollectionTrainer
from rag.releases import last_judgement
from storage.release import Evaluation, Release

routes = APIRouter(prefix="/collections/{collection}/releases", tags=["releases"])

ReleaseId = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Judged(BaseModel):
    """A release, and the verdict on it."""

    release: Release
    verdict: dict[str, Any] | None
    """None if it was never judged."""


class Change(BaseModel):
    """Why production changes."""

    reason: str = Field("by the API", min_length=1, max_length=500)


@routes.get("")
def list_releases(collection: CollectionName, caller: CollectionTrainer) -> list[Release]:
    """List the releases, oldest first."""
    return list(caller.service.space.registry.list(collection))


@routes.get("/{release_id:int}")
def show_release(collection: CollectionName, release_id: ReleaseId, caller: CollectionTrainer) -> Judged:
    """Show a release and the verdict on it."""
    space = caller.service.space
    release = space.registry.get(collection, release_id)
    judged: Evaluation | None = last_judgement(space, release)
    return Judged(release=release, verdict=judged.model_dump(mode="json") if judged else None)


@routes.post("/{release_id:int}/promote")
def promote(
    collection: CollectionName, release_id: ReleaseId, caller: CollectionAdmin, change: Change | None = None
) -> Release:
    """Put a release into production, gate or no gate; the next question is answered by it."""
    return caller.service.space.registry.promote(collection, release_id, (change or Change()).reason)


@routes.post("/rollback")
def rollback(collection: CollectionName, caller: CollectionAdmin, change: Change | None = None) -> Release:
    """Put the release that served before back into production."""
    return caller.service.space.registry.rollback(collection, (change or Change()).reason)
