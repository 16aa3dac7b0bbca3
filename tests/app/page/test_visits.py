"""What outlives a reload: the cookie that a browser is known by, and the visits behind it."""

import re
from http.cookies import SimpleCookie

import httpx
import pytest
from starlette.responses import PlainTextResponse

from app.page.visits import IDLE_S, VisitCookie, Visits, cookie_name

NAME = cookie_name(8501)


@pytest.fixture
def opened():
    """Open a page as browsers do, with these cookies; returns the cookie that was set, if one was."""

    async def open_path(cookie="", base="http://page", accept="text/html,application/xml;q=0.9,*/*;q=0.8", status=200):
        transport = httpx.ASGITransport(VisitCookie(PlainTextResponse("", status), port=8501))
        async with httpx.AsyncClient(transport=transport, base_url=base) as browser:
            answer = await browser.get("/", headers={"Cookie": cookie, "Accept": accept})
        return SimpleCookie(answer.headers.get("set-cookie", "")).get(NAME)

    return open_path


@pytest.mark.anyio
async def test_each_browser_has_an_id_that_no_script_and_no_other_site_uses(opened):
    first, second = await opened(), await opened()
    assert first.value != second.value
    assert re.fullmatch(r"[\w-]{43}", first.value), "256 bits"
    assert (first["httponly"], first["samesite"], first["max-age"], first["secure"]) == (True, "Lax", "", "")
    assert (await opened(base="https://page"))["secure"]


@pytest.mark.anyio
async def test_the_id_stays_until_the_browser_is_closed(opened):
    known = await opened()
    assert await opened(cookie=f"other=1; {NAME}={known.value}") is None
    assert await opened(accept="*/*") is None, "what the page fetches opens nothing"
    assert await opened(status=304), "a page that the browser has kept"
    for wrong in (f"{NAME}=short", f"{NAME}=", "\x7f;;=", f"{cookie_name(9000)}={known.value}"):
        assert await opened(cookie=wrong)


def test_a_visit_is_what_was_kept_of_it_until_it_is_forgotten():
    visits = Visits()
    visits.open("a")["turns"] = ["why?"]
    assert visits.open("a") == {"turns": ["why?"]}
    assert visits.open("b") == {}
    visits.forget("a")
    assert visits.open("a") == {}


def test_visits_that_were_not_seen_for_longest_go_first():
    visits = Visits(most=2)
    for id_ in ("a", "b"):
        visits.open(id_)["turns"] = id_
    visits.open("a")
    visits.open("c")
    assert visits.open("a") == {"turns": "a"}
    assert visits.open("b") == {}


def test_a_visit_that_was_idle_for_too_long_is_forgotten():
    now = [0.0]
    visits = Visits(clock=lambda: now[0])
    visits.open("a")["turns"] = ["why?"]
    for now[0], kept in ((IDLE_S, {"turns": ["why?"]}), (2 * IDLE_S, {"turns": ["why?"]}), (3 * IDLE_S + 1, {})):
        assert visits.open("a") == kept
