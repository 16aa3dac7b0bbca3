"""What outlives a reload: a browser is known by a cookie that no script can read, and its visit is in memory alone.

Whoever has the cookie is the person, as with any site that one signs in to. The key itself never goes back there.
"""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from functools import cache
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
_BEFORE_THE_STREAM = "/_stcore/host-config"
"""What Streamlit's browser part asks for each time that it connects, also to a page that was started anew."""
_OPENED = "visit"


class Visits:
    """The visits of a process, of those who may use the API. For several threads."""

    def __init__(self, most: int = MOST_VISITS, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep so many; `clock` tells seconds."""
        self._most, self._clock, self._lock = most, clock, Lock()
        self._secret = secrets.token_bytes(_ID_BYTES)
        self._kept: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    def new_id(self) -> str:
        """Return an id for a browser. Nothing is kept for it yet."""
        id_ = secrets.token_urlsafe(_ID_BYTES)
        return f"{id_}.{self._signature(id_)}"

    def is_own(self, id_: str) -> bool:
        """Tell whether an id was given by this process."""
        id_, _, signature = id_.partition(".")
        return hmac.compare_digest(self._signature(id_).encode(), signature.encode())

    def _signature(self, id_: str) -> str:
        return hmac.new(self._secret, id_.encode(), "sha256").hexdigest()

    def keep(self, id_: str, visit: dict[str, Any]) -> None:
        """Keep a visit from now on."""
        with self._lock:
            self._kept[id_] = self._clock(), visit
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def find(self, id_: str) -> dict[str, Any] | None:
        """Return what is kept of a visit, to read and to change; None if nothing is, or it was forgotten."""
        now = self._clock()
        with self._lock:
            while self._kept and next(iter(self._kept.values()))[0] < now - IDLE_S:
                self._kept.popitem(last=False)
            if id_ not in self._kept:
                return None
            _, visit = self._kept.pop(id_)
            self._kept[id_] = now, visit
            return visit

    def forget(self, id_: str) -> None:
        """Forget a visit."""
        with self._lock:
            self._kept.pop(id_, None)


@cache
def visits() -> Visits:
    """Return those of this process: in no cache of Streamlit's, which any browser may have it clear."""
    return Visits()


class VisitCookie:
    """Gives each browser that opens the page an id that cannot be guessed, until it is closed."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._name = app, cookie_name(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        # As browsers say it of pages, and of nothing else.
        opens = "text/html" in headers.get("accept", "") or scope.get("path", "").endswith(_BEFORE_THE_STREAM)
        if not opens or _has_id(headers.get("cookie", ""), self._name):
            await self._app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure = "; Secure" * (scope["scheme"] == "https")
                cookie = f"{self._name}={visits().new_id()}; Path=/; HttpOnly; SameSite=Lax{secure}"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def cookie_name(port: int) -> str:
    """Return what the cookie is called; browsers tell ports of a host apart by nothing else."""
    return f"ragloop_visit_{port}"


def this_visit() -> MutableMapping[str, Any]:
    """Return the person's visit: that of the browser once it is kept, else that of the window."""
    kept = _kept()
    return cast("MutableMapping[str, Any]", st.session_state) if kept is None else kept


def open_visit() -> None:
    """Have a window forget what it shows of a visit that has ended meanwhile, or begun, in another window."""
    kept = _kept()
    if st.session_state.setdefault(_OPENED, kept) is not kept:
        st.session_state.clear()
        st.session_state[_OPENED] = kept


def keep_this_visit(*names: str) -> None:
    """Keep what is called so in the window's visit, and what comes, over a reload, if the browser takes cookies."""
    if (id_ := _this_id()) and _kept() is None:
        visit = {name: st.session_state.pop(name) for name in names if name in st.session_state}
        visits().keep(id_, visit)
        st.session_state[_OPENED] = visit


def forget_this_visit() -> None:
    """Forget the visit, in all windows of this browser."""
    if id_ := _this_id():
        visits().forget(id_)
    st.session_state.clear()


def _kept() -> dict[str, Any] | None:
    id_ = _this_id()
    return visits().find(id_) if id_ else None


def _this_id() -> str | None:
    id_ = str(st.context.cookies.get(cookie_name(st.get_option("server.port"))))
    return id_ if visits().is_own(id_) else None


def _has_id(header: str, name: str) -> bool:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return False
    return found is not None and visits().is_own(found.value)
