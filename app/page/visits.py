"""What outlives a reload: a browser is known by a cookie that no script can read, and its visit is in memory alone.

Whoever has the cookie is the person, as with any site that one signs in to. The key itself never goes back there.
"""

import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from threading import Lock
from typing import Any, cast

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IDLE_S = 12 * 3600.0
"""After which a visit is forgotten."""
MOST_VISITS = 200
"""That are kept; those that were not seen for longest go first."""
_ID_BYTES = 32
_ID = re.compile(r"[\w-]{43}")


class Visits:
    """The visits of a process. For several threads."""

    def __init__(self, most: int = MOST_VISITS, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep so many; `clock` tells seconds."""
        self._most, self._clock, self._lock = most, clock, Lock()
        self._kept: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    def open(self, id_: str) -> dict[str, Any]:
        """Return what is kept of a visit, to read and to change; nothing yet if it is new, or was forgotten."""
        now = self._clock()
        with self._lock:
            seen, visit = self._kept.pop(id_, (now, {}))
            visit = visit if seen >= now - IDLE_S else {}
            self._kept[id_] = now, visit
            while len(self._kept) > self._most or next(iter(self._kept.values()))[0] < now - IDLE_S:
                self._kept.popitem(last=False)
            return visit

    def forget(self, id_: str) -> None:
        """Forget a visit."""
        with self._lock:
            self._kept.pop(id_, None)


class VisitCookie:
    """Gives each browser that opens the page an id that cannot be guessed, until it is closed."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._name = app, cookie_name(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        opens = "text/html" in headers.get("accept", "")  # as browsers say it of pages, and of nothing else
        if not opens or _has_id(headers.get("cookie", ""), self._name):
            await self._app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure = "; Secure" * (scope["scheme"] == "https")
                cookie = f"{self._name}={secrets.token_urlsafe(_ID_BYTES)}; Path=/; HttpOnly; SameSite=Lax{secure}"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def cookie_name(port: int) -> str:
    """Return what the cookie is called; browsers tell ports of a host apart by nothing else."""
    return f"ragloop_visit_{port}"


def this_visit() -> MutableMapping[str, Any]:
    """Return what is kept of the person's visit: over a reload, if the browser takes cookies."""
    id_ = _this_id()
    return _visits().open(id_) if id_ else cast("MutableMapping[str, Any]", st.session_state)


def forget_this_visit() -> None:
    """Forget the visit, in all windows of this browser."""
    if id_ := _this_id():
        _visits().forget(id_)
    st.session_state.clear()


def _this_id() -> str | None:
    found = _ID.fullmatch(str(st.context.cookies.get(cookie_name(st.get_option("server.port")))))
    return found[0] if found else None


def _has_id(header: str, name: str) -> bool:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return False
    return found is not None and _ID.fullmatch(found.value) is not None


@st.cache_resource
def _visits() -> Visits:
    return Visits()
