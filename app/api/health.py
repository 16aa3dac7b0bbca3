"""Whether the server lives, whether it can answer, and its counts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client import generate_latest
from pydantic import BaseModel

from app.access import Role
from app.api.dependencies import Serving, bearer, caller

routes = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"
    max_upload_mb: int
    """Largest file that is taken, in MiB."""


class Readiness(BaseModel):
    """Whether questions can be answered."""

    ready: bool
    collections: int
    """That serve."""
    reason: str | None = None
    """Why it is not ready, and what to do."""


@routes.get("/healthz")
async def healthz(service: Serving) -> Health:
    """Say that the process answers, and how large a file may be; needs no key."""
    return Health(max_upload_mb=service.space.settings.max_upload_mb)


@routes.get("/readyz", responses={503: {"model": Readiness}})
def readyz(service: Serving, response: Response) -> Readiness:
    """Say whether questions can be answered; needs no key."""
    serving, reason = len(service.collections()), None
    if not serving:
        reason = "no collection has a release: add documents"
    elif not service.warm.is_set():
        reason = "the models are being loaded: wait a moment"
    response.status_code = 503 if reason else 200
    return Readiness(ready=reason is None, collections=serving, reason=reason)


@routes.get("/metrics", response_class=PlainTextResponse)
def metrics(
    service: Serving, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> PlainTextResponse:
    """Show the counts in Prometheus' format, to an admin whose key opens all collections, or as configured to all."""
    if not service.space.settings.metrics_open:
        key = caller(service, credentials).key
        key.require_role(Role.ADMIN)
        key.require_all_collections()
    service.metrics.see_breakers(service.engines.pool.breakers)
    return PlainTextResponse(generate_latest(service.metrics.registry), media_type="text/plain; version=0.0.4")
