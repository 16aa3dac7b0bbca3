"""What serves, what did, and what was kept out."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from app.api.dependencies import CollectionAdmin, CollectionName, CollectionTrainer
from app.api.service import Service
from rag.releases import holds_all_documents, last_judgement
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


class Promoted(Release):
    """What serves now."""

    note: str | None
    """What it does not know of the collection, which is being indexed; None if nothing."""


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


@routes.get("/{release_id:int}/report", response_class=HTMLResponse)
def report(collection: CollectionName, release_id: ReleaseId, caller: CollectionTrainer) -> HTMLResponse:
    """Return what is known of a release as one page; it quotes questions and passages."""
    from rag.report.html import POLICY, release_page

    space = caller.service.space
    page = release_page(space, space.registry.get(collection, release_id))
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return HTMLResponse(page, headers=headers)


@routes.post("/{release_id:int}/promote")
def promote(
    collection: CollectionName, release_id: ReleaseId, caller: CollectionAdmin, change: Change | None = None
) -> Promoted:
    """Put a release into production, gate or no gate, at once; then its models over the documents as they stand."""
    service = caller.service
    return _promoted(service, service.space.registry.promote(collection, release_id, (change or Change()).reason))


@routes.post("/rollback")
def rollback(collection: CollectionName, caller: CollectionAdmin, change: Change | None = None) -> Promoted:
    """Put the models that served before back into production, at once; then over the documents as they stand."""
    service = caller.service
    return _promoted(service, service.space.registry.rollback(collection, (change or Change()).reason))


def _promoted(service: Service, release: Release) -> Promoted:
    note = None
    if not holds_all_documents(service.space, release):
        service.uploads.index(release.collection)
        note = (
            "it does not know the documents that were added or changed since it was made: they are being indexed, and "
            "its models answer from them soon, as a release of their own"
        )
    return Promoted(**release.model_dump(), note=note)
