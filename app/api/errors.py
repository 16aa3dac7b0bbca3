"""Every error as one JSON shape: {"error": {"type", "message", "request_id"}}; under /v1 OpenAI's fields besides."""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.access import AccessDenied, KeyRefused
from rag.errors import (
    BadQuestions,
    DocumentNotFound,
    EmptyCorpus,
    LanguageModelUnavailable,
    NoChatModel,
    NoGenerator,
    UnreadableDocument,
    UnsuitedQuestion,
)
from rag.experiments.experiment import ExperimentNotFound, ExperimentRefused
from rag.feedback.recording import InteractionNotFound, PassageNotFound
from storage.errors import ProductionMoved, RagloopError, ReleaseNotFound, ReleaseWithdrawn, StorageError

logger = logging.getLogger(__name__)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Missing(RagloopError):
    """Nothing answers to that name or id."""


class TryLater(RagloopError):
    """Too much at once; the message says why, `retry_s` when to ask again."""

    def __init__(self, message: str, retry_s: int = 1) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class Busy(TryLater):
    """All places are taken."""


class RateExceeded(TryLater):
    """A key has made its share of requests."""


class BodyTooLarge(RagloopError):
    """A request with more bytes than are taken."""


class NoWorkers(RagloopError):
    """A retraining that could not be started or looked at."""


class Problem(BaseModel):
    """What went wrong."""

    type: str
    message: str
    """What to do about it, in a line."""
    request_id: str
    param: str | None = None
    """Under /v1 only, as OpenAI has it; always null."""
    code: str | None = None
    """Under /v1 only: the type again."""


class Failure(BaseModel):
    """The body of every answer that is an error."""

    error: Problem


_AS_JSON = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}  # also where success is no JSON
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Failure, "content": _AS_JSON, "description": "It cannot be done; the message says why"},
    "5XX": {"model": Failure, "content": _AS_JSON, "description": "It cannot be done now; the message says why"},
}

_STATUS: tuple[tuple[type[RagloopError], int], ...] = (
    (KeyRefused, 401),
    (AccessDenied, 403),
    (Missing, 404),
    (DocumentNotFound, 404),
    (NoChatModel, 404),
    (ReleaseNotFound, 404),
    (ExperimentNotFound, 404),
    (InteractionNotFound, 404),
    (PassageNotFound, 404),
    (ProductionMoved, 409),
    (ReleaseWithdrawn, 409),
    (EmptyCorpus, 409),
    (ExperimentRefused, 409),
    (BodyTooLarge, 413),
    (BadQuestions, 422),
    (UnreadableDocument, 422),
    (UnsuitedQuestion, 422),  # before the NoGenerator that it is: asked later, it is not answered either
    (RateExceeded, 429),
    (Busy, 503),
    (NoWorkers, 503),
    (NoGenerator, 503),
    (LanguageModelUnavailable, 503),
    (StorageError, 503),
)


def add_handlers(app: FastAPI) -> None:
    """Let every error that an endpoint raises become the one shape."""
    app.add_exception_handler(RagloopError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def failure(scope: Any, kind: str, message: str) -> Failure:
    """Return the body for an error; `scope` is that of the request."""
    problem = Problem(type=kind, message=message, request_id=scope.get("request_id", ""))
    if scope["path"].startswith("/v1/"):
        problem.code = kind
    return Failure(error=problem)


def describe(scope: Any, error: Exception) -> Failure:
    """Return the body for what was raised; what is no error of ours goes into the log instead."""
    if isinstance(error, RagloopError):
        return failure(scope, _snake(type(error).__name__), str(error))
    logger.error("request %s failed", scope["request_id"], exc_info=error)
    return failure(scope, "internal_error", "the server failed at this: its log says why, under the request id")


def respond(scope: Any, status: int, body: Failure, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the response that carries a failure."""
    fields = body.model_dump() if scope["path"].startswith("/v1/") else body.model_dump(exclude_none=True)
    return JSONResponse(fields, status, headers)


def response_of(scope: Any, error: RagloopError) -> JSONResponse:
    """Return the response to an error of ours."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if isinstance(error, TryLater):
        headers["Retry-After"] = str(error.retry_s)
    return respond(scope, status, describe(scope, error), headers)


async def _of_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RagloopError)
    return response_of(request.scope, error)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "request"
    status = 400 if request.scope["path"].startswith("/v1/") else 422
    remedy = ": check it and its Content-Type, see /docs" if place == "body" else ""
    message = f"{place}: {first['msg']}{remedy}"
    return respond(request.scope, status, failure(request.scope, "invalid_request", message))


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    unknown = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code)
    kind, message = unknown or "invalid_request", str(error.detail)
    if unknown:
        message = f"{request.method} {request.scope['path']}: {error.detail}: see /docs"
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    body = failure(request.scope, kind, message.encode("utf-8", "replace").decode())
    return respond(request.scope, error.status_code, body, headers)


def _allowed(request: Request) -> list[str]:
    """Return the methods that a path has in the first part of the API that knows it, over all its endpoints.

    The router names those of the first endpoint alone; and a document, which can be deleted, may be called like a path.
    """
    for route in request.app.routes:
        methods = [m for m in METHODS if route.matches({**request.scope, "method": m})[0] is Match.FULL]
        if methods:
            return methods
    return []


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")
