"""The small company, and a chat model that knows something of it: made once, and only read."""

import pytest

from rag.chat.serving import register_chat_model
from tests.rag.evaluation.asked_company import open_asked_company
from tests.rag.evaluation.company_talk import SMOKE, open_company, save_chat, stored_chat, taught


@pytest.fixture(scope="session")
def company(tmp_path_factory):
    """A home with documents in production, and the conversations that measure."""
    space = open_company(tmp_path_factory.mktemp("company"))
    return space, taught(space)


@pytest.fixture(scope="session")
def chat(tmp_path_factory):
    """A folder with a chat model that knows the warranties."""
    return save_chat(tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="session")
def speaking(company, chat):
    """A candidate with that chat model, which nothing trusts."""
    space, data = company
    return register_chat_model(space, "default", stored_chat(space, chat, data), SMOKE)


@pytest.fixture(scope="session")
def asked_company(tmp_path_factory):
    """A home with documents in production and questions about them, and its evaluation set."""
    return open_asked_company(tmp_path_factory.mktemp("asked"))
