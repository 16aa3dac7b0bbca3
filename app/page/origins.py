"""What may have a browser use the page: the page itself, and no other site that is open in it."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class OwnOrigin:
    """Refuses what another site asks; Streamlit takes every site of this machine, and every name that leads to it.

    A site can have its own name lead here, and is then the page's origin to the browser. Visits are safe from it, whose
    cookies come along to their own names alone, but a key that all share is not: names must be known then.
    """

    def __init__(self, app: ASGIApp, host: str, origins: Sequence[str], shared_key: bool) -> None:
        """Take what comes from the page, wherever it is opened, and from `origins`, such as that of a proxy."""
        self._app, self._origins, self._shared_key = app, origins, shared_key
        self._names = {host, "localhost", socket.gethostname().lower(), *map(_name, origins)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        if scope["type"] != "lifespan" and (wrong := self._wrong(Headers(scope=scope))):
            await PlainTextResponse(wrong, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _wrong(self, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        name = _name(f"//{host}")
        if self._shared_key and not (_is_address(name) or name in self._names):
            return f"{host} is not known as a name of this page: give its origin with --origins, or use its address"
        if origin and origin not in self._origins and origin.partition("://")[2] != host:
            return f"{origin} may not use this page, which is {host}: give it with --origins if it is the page's own"
        return None


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
