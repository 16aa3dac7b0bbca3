"""Whom the page takes a person for, and what it asks the API about."""

import pytest
import streamlit as st

from app.access import revoke_key
from app.page import session


@pytest.fixture
def key_file(tmp_path, monkeypatch, server):
    """The file of --api-key-file, with a reader's key."""
    path = tmp_path / "key"
    path.write_text(server.key("reader"))
    monkeypatch.setenv("RAGLOOP_PAGE_KEY_FILE", str(path))
    return path


def test_a_key_that_is_put_into_the_file_is_taken_up(key_file, visit, server):
    window = visit()
    revoke_key(server.space.database, key_file.read_text()[:11])
    window.page.run()
    assert "revoked" in window.errors[0]
    key_file.write_text(server.key("reader"))
    window.page.run()
    assert window.errors == []
    assert window.page.chat_input


def test_people_who_share_a_key_can_say_who_they_are(key_file, visit):
    window = visit()
    window.page.text_input(key="name").set_value(" Ada ").run()
    window.ask("Where does the ferry go?")
    assert window.turns[-1]["asked"]["user"] == "Ada"
    window.go_to("documents")
    assert window.page.text_input(key="name").value == " Ada "


def test_a_collection_that_cannot_be_called_so_is_said_in_words(visit, server):
    window = visit()
    window.page.session_state["collection"] = "My Docs!"
    window.sign_in(server.key("reader"))
    (said,) = window.errors
    assert "No collection can be called 'My Docs!'" in said
    assert "letters" in said
    assert not window.page.chat_input
    window.page.selectbox(key="collection").set_value("default").run()
    assert window.errors == []


@pytest.mark.parametrize(
    ("known", "page", "link"),
    [
        (None, "http://box:8501/", None),
        ("http://127.0.0.1:4200", "http://box:8501/", "http://127.0.0.1:4200"),
        ("https://prefect.example", "http://box:8501/", "https://prefect.example"),
        ("http://0.0.0.0:4200", "http://box:8501/learning", "http://box:4200"),
        ("http://[::]:4200", "http://[fd00::7]:8501/", "http://[fd00::7]:4200"),
        ("http://0.0.0.0:4200", None, "http://127.0.0.1:4200"),
    ],
)
def test_prefect_is_where_the_browser_reaches_it(monkeypatch, known, page, link):
    monkeypatch.setattr(type(st.context), "url", property(lambda _: page))
    if known:
        monkeypatch.setenv("RAGLOOP_PAGE_PREFECT", known)
    assert session.prefect() == link
