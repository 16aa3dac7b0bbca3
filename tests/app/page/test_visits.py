"""What outlives a reload: the cookie that a browser is known by, and the visits behind it."""

import re
from http.cookies import SimpleCookie

import httpx
import pytest
import streamlit as st
from starlette.responses import PlainTextResponse

from app.page.visits import IDLE_S, VisitCookie, Visits, cookie_name, visits

NAME = cookie_name(8501)


@pytest.fixture
def opened():
    """Open a page as browsers do, with these cookies; returns the cookie that was set, if one was."""

    pages = "text/html,application/xml;q=0.9,*/*;q=0.8"

    async def open_path(path="/", cookie="", base="http://page", accept=pages, status=200):
        transport = httpx.ASGITransport(VisitCookie(PlainTextResponse("", status), port=8501))
        async with httpx.AsyncClient(transport=transport, base_url=base) as browser:
            answer = await browser.get(path, headers={"Cookie": cookie, "Accept": accept})
        return SimpleCookie(answer.headers.get("set-cookie", "")).get(NAME)

    return open_path


@pytest.mark.anyio
async def test_each_browser_has_an_id_that_no_script_and_no_other_site_uses(opened):
    first, second = await opened(), await opened()
    assert first.value != second.value
    assert re.match(r"[\w-]{43}\.", first.value), "256 bits"
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


@pytest.mark.anyio
async def test_a_window_that_connects_to_a_page_started_anew_has_an_id_of_that_page(opened):
    before = Visits().new_id()
    renewed = await opened(path="/_stcore/host-config", accept="*/*", cookie=f"{NAME}={before}")
    assert visits().is_own(renewed.value)
    assert await opened(path="/_stcore/host-config", accept="*/*", cookie=f"{NAME}={renewed.value}") is None


@pytest.mark.parametrize("id_", ["", ".", "a.b", "x" * 43, f"{'x' * 43}.{'0' * 64}", Visits().new_id(), "\xe9.\xe9"])
def test_an_id_that_somebody_made_up_is_none(id_):
    own = Visits()
    assert own.is_own(own.new_id())
    assert not own.is_own(id_)


def test_a_visit_is_what_was_kept_of_it_until_it_is_forgotten():
    kept = Visits()
    assert kept.find("a") is None
    kept.keep("a", {"turns": ["why?"]})
    assert kept.find("a") == {"turns": ["why?"]}
    assert kept.find("b") is None, "who only looks in takes nobody's place"
    kept.forget("a")
    assert kept.find("a") is None


def test_visits_that_were_not_seen_for_longest_go_first():
    kept = Visits(most=2)
    for id_ in ("a", "b"):
        kept.keep(id_, {"turns": id_})
    kept.find("a")
    kept.keep("c", {})
    assert kept.find("a") == {"turns": "a"}
    assert kept.find("b") is None


def test_a_visit_that_was_idle_for_too_long_is_forgotten():
    now = [0.0]
    kept = Visits(clock=lambda: now[0])
    kept.keep("a", {"turns": ["why?"]})
    for now[0], found in ((IDLE_S, {"turns": ["why?"]}), (2 * IDLE_S, {"turns": ["why?"]}), (3 * IDLE_S + 1, None)):
        assert kept.find("a") == found


def test_no_browser_can_have_the_visits_cleared():
    visits().keep("a", {"turns": ["why?"]})
    st.cache_data.clear()  # what Streamlit does for any browser that sends `clear_cache`
    st.cache_resource.clear()
    assert visits().find("a") == {"turns": ["why?"]}
    visits().forget("a")


@pytest.fixture
def id_(monkeypatch):
    """The id of a browser that takes cookies."""
    given = visits().new_id()
    monkeypatch.setattr(type(st.context), "cookies", property(lambda _: {NAME: given}))
    yield given
    visits().forget(given)


def test_nothing_is_kept_before_a_key_is_accepted(id_, visit, server):
    first = visit()
    first.sign_in("rk_made_up")
    assert visits().find(id_) is None
    first.sign_in(server.key("reader"), "Ada")
    second = visit()
    assert "Sign in" not in second.markdown
    second.page.chat_input[0].set_value("Where does the ferry go?").run()
    kept = visits().find(id_)
    assert kept["turns"]["default"][0]["asked"]["user"] == "Ada"
    assert "api" not in first.page.session_state, "the key is kept in one place"


def test_a_window_forgets_what_it_showed_of_somebody_who_signed_out_in_another(id_, visit):
    first = visit("reader")
    second = visit()
    second.page.session_state["uploads"] = {"default": []}
    second.page.run()
    assert "uploads" in second.page.session_state
    first.click("Sign out")
    second.page.run()
    assert "Sign in" in second.markdown
    assert "uploads" not in second.page.session_state
