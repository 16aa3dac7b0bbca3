"""What every request passes through: an id, its measure, a limit to its body, and a last resort."""

import re
from time import perf_counter
from uuid import uuid4

from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access import KeyRefused, check_key
from app.api.errors import METHODS, BodyTooLarge, describe, respond, response_of
from app.api.metrics import Metrics
from storage.database import Database

MAX_JSON_BYTES = 2**20
_LARGE = re.compile(r"^/collections/[^/]+/(documents|conversations|pairs)$")
_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")


class Requests:
    """Names each request, answers for what fails unforeseen, and counts it under its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        scope["request_id"] = given if _ID.match(given) else uuid4().hex
        started, status = perf_counter(), 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = scope["request_id"]
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception as error:
            body = describe(scope, error)
            if status:
                raise  # the client sees the connection end
            await respond(scope, 500, body)(scope, receive, send_named)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            route = getattr(scope.get("route"), "path_format", "unmatched")
            self._metrics.requests.labels(method, route, status or 499).inc()
            self._metrics.request_seconds.labels(route).observe(perf_counter() - started)


class KeyFirst:
    """Looks at the key before a large body comes, since the framework reads bodies first."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app, self._database = app, database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and _LARGE.match(scope["path"]):
            scheme, secret = get_authorization_scheme_param(Headers(scope=scope).get("authorization"))
            try:
                await run_in_threadpool(check_key, self._database, secret if scheme.lower() == "bearer" else None)
            except KeyRefused as error:
                await response_of(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are too large, whether their length is told or not."""

    def __init__(self, app: ASGIApp, max_upload_bytes: int) -> None:
        self._app, self._max_upload_bytes = app, max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit, remedy = MAX_JSON_BYTES, ""
        if _LARGE.match(scope["path"]):
            limit, remedy = self._max_upload_bytes, ", or raise RAGLOOP_MAX_UPLOAD_MB on the server"
        refusal = BodyTooLarge(f"the request has more than {limit / 2**20:g} MiB: send less at once{remedy}")
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told[:20]) > limit:
            await response_of(scope, refusal)(scope, receive, send)
            return
        taken, refused, answered = 0, False, False

        async def receive_limited() -> Message:
            nonlocal taken, refused
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                refused = True
                raise refusal
            return message

        async def send_unless_refused(message: Message) -> None:
            nonlocal answered
            if not refused or answered:
                answered = True
                await send(message)

        try:
            await self._app(scope, receive_limited, send_unless_refused)
        except BodyTooLarge:
            refused = True
        if refused and not answered:  # whatever the endpoint made of the broken body
            await response_of(scope, refusal)(scope, receive, send)
