"""The page as Streamlit runs it, against a real API on the loopback."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.page import main
from tests.app.api.conftest import documents, server, space  # noqa: F401

SCRIPT = Path(main.__file__)
SLOW_S = 120


class Visit:
    """A person with the page open."""

    def __init__(self):
        self.page = AppTest.from_file(str(SCRIPT), default_timeout=SLOW_S).run()

    def sign_in(self, key, name=""):
        self.page.text_input(key="key").set_value(key)
        self.page.text_input(key="name").set_value(name)
        self.click("Sign in")

    def ask(self, question):
        self.page.chat_input[0].set_value(question).run()
        assert not self.page.exception
        return self.turns[-1]["answers"]

    def click(self, label):
        """Click the button that is called so."""
        (button,) = [each for each in self.page.button if each.label == label]
        button.click().run()
        assert not self.page.exception

    def go_to(self, url_path):
        # AppTest switches to pages that are files; ours are functions, and Streamlit knows them by a hash. That of the
        # first has no path.
        known = self.page._registered_pages.items()
        (self.page._page_hash,) = [hash_ for hash_, info in known if info["url_pathname"] == url_path]
        self.page.run()
        assert not self.page.exception

    @property
    def turns(self):
        return self.page.session_state["turns"][self.page.selectbox(key="collection").value]

    @property
    def texts(self):
        """All that is shown as text."""
        return [each.value for each in self.page.text]

    @property
    def markdown(self):
        """All that is shown as markup."""
        kinds = ("markdown", "caption", "error", "success", "info", "warning", "title", "header", "subheader")
        return [each.value for kind in kinds for each in getattr(self.page, kind)]

    @property
    def errors(self):
        """What is said to be wrong, as people read it."""
        return [plain(each.value) for each in self.page.error]


def plain(shown):
    """Return text as people read it."""
    return shown.replace("\\", "").replace("\N{WORD JOINER}", "")


@pytest.fixture
def visit(server, monkeypatch):  # noqa: F811
    """Open the page of the server; `visit(role, collections…)` signs in with a fresh key of a role."""
    monkeypatch.setenv("RAGLOOP_PAGE_API", server.url)

    def opened(role=None, *collections, name=""):
        visit = Visit()
        if role:
            visit.sign_in(server.key(role, *collections), name)
        return visit

    return opened


@pytest.fixture
def reader(town, monkeypatch):
    """A reader who asks `town`, the server that a module has instead of the common one."""
    return visiting(town, monkeypatch, "reader")


def visiting(served, monkeypatch, role):
    """Open the page of a server, and sign in with a fresh key of a role."""
    monkeypatch.setenv("RAGLOOP_PAGE_API", served.url)
    visit = Visit()
    visit.sign_in(served.key(role))
    return visit
