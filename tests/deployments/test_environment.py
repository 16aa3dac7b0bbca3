"""What the server, the workers and the flows of `ragloop up` see."""

import os

import pytest

from deployments.environment import (
    base_environment,
    page_environment,
    server_environment,
    settle_environment,
    worker_environment,
    written_database_url,
)
from rag.settings import Settings

API = "http://127.0.0.1:4200/api"


@pytest.fixture
def seen(home, monkeypatch):
    """Return the environment for what the user's environment and `.env` say."""

    def look(written="", **variables):
        (home.parent / ".env").write_text(written)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return base_environment(Settings(), home, API)

    return look


def test_paths_are_absolute(seen, home, monkeypatch):
    monkeypatch.setenv("RAGLOOP_KEY_FILE", "~/key.json")
    environment = seen(
        RAGLOOP_DATABASE_URL="sqlite:///rows.db", RAGLOOP_ARTIFACT_ROOT="made", RAGLOOP_DEVICE_LOCK="card.lock"
    )
    here = home.parent
    assert environment["RAGLOOP_HOME"] == str(home)
    assert environment["RAGLOOP_DATABASE_URL"] == f"sqlite:///{here / 'rows.db'}"
    assert environment["RAGLOOP_ARTIFACT_ROOT"] == str(here / "made")
    assert environment["RAGLOOP_DEVICE_LOCK"] == str(here / "card.lock")
    assert not environment["RAGLOOP_KEY_FILE"].startswith("~")


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://u:p@db/rows", "sqlite:////var/rows.db", "sqlite:///:memory:", "sqlite://"]
)
def test_other_databases_are_left_alone(seen, url):
    assert seen(RAGLOOP_DATABASE_URL=url)["RAGLOOP_DATABASE_URL"] == url


def test_what_is_written_in_dot_env_is_exported_and_gives_way_to_the_environment(seen):
    environment = seen("RAGLOOP_FEEDBACK_THRESHOLD=7\nRAGLOOP_MODELS=hub\nHF_TOKEN=x\n", RAGLOOP_MODELS="bundled")
    assert environment["RAGLOOP_FEEDBACK_THRESHOLD"] == "7"
    assert environment["RAGLOOP_MODELS"] == "bundled"
    assert "HF_TOKEN" not in environment


def test_no_other_server_or_profile_of_the_user_leaks_in(seen, home):
    environment = seen(
        "PREFECT_API_URL=http://written/api\nPREFECT_PROFILE=cloud\n",
        PREFECT_API_URL="http://elsewhere/api",
        PREFECT_PROFILE="cloud",
        PREFECT_API_KEY="secret",
        PREFECT_HOME="/home/user/.prefect",
    )
    assert environment["PREFECT_API_URL"] == API
    assert environment["PREFECT_HOME"] == str(home / "prefect")
    assert {"PREFECT_PROFILE", "PREFECT_API_KEY"}.isdisjoint(environment)


def test_the_password_of_prefects_database_is_for_the_server_alone(seen):
    url = "postgresql+asyncpg://prefect:secret@db/prefect"
    environment = seen(PREFECT_SERVER_DATABASE_CONNECTION_URL=url)
    assert server_environment(environment, "127.0.0.1", 4200, url)["PREFECT_SERVER_DATABASE_CONNECTION_URL"] == url
    assert not any("secret" in value for value in worker_environment(environment, "gpu").values())


@pytest.mark.parametrize("name", ["PREFECT_SERVER_DATABASE_CONNECTION_URL", "prefect_api_database_connection_url"])
def test_so_it_is_if_it_is_written_in_dot_env(seen, name):
    url = "postgresql+asyncpg://prefect:secret@db/prefect"
    environment = seen(f"{name}={url}\n")
    assert written_database_url() == url
    assert not any("secret" in value for value in worker_environment(environment, "gpu").values())


@pytest.mark.parametrize("written", ["", "PREFECT_SERVER_DATABASE_CONNECTION_URL=\n"])
def test_without_one_the_server_has_its_own_database(seen, written):
    seen(written)
    assert written_database_url() is None


def test_the_page_is_told_no_secret(seen, home):
    base = seen(RAGLOOP_KEYRING="{}", RAGLOOP_GROQ_API_KEY="gsk", RAGLOOP_PAGE_KEY_FILE="/keys/page")
    page = page_environment(base, "http://127.0.0.1:8000", "http://127.0.0.1:4200")
    assert {name: value for name, value in page.items() if name.startswith(("RAGLOOP_", "PREFECT_"))} == {
        "RAGLOOP_UP": str(home),
        "RAGLOOP_PART": "page",
        "RAGLOOP_PAGE_API": "http://127.0.0.1:8000",
        "RAGLOOP_PAGE_PREFECT": "http://127.0.0.1:4200",
        "RAGLOOP_PAGE_KEY_FILE": "/keys/page",
    }


def test_the_pages_key_file_is_found_from_any_folder_and_its_link_is_the_persons_own(seen, home):
    base = seen("RAGLOOP_PAGE_KEY_FILE=page.key\n", RAGLOOP_PAGE_PREFECT="https://prefect.example")
    page = page_environment(base, "http://127.0.0.1:8000", "http://0.0.0.0:4200")
    assert page["RAGLOOP_PAGE_KEY_FILE"] == str(home.parent / "page.key")
    assert page["RAGLOOP_PAGE_PREFECT"] == "https://prefect.example"


def test_prefects_ui_asks_the_server_that_it_came_from_unless_told_otherwise(seen):
    assert server_environment(seen(), "0.0.0.0", 4200, None)["PREFECT_UI_API_URL"] == "/api"
    base = seen(PREFECT_UI_API_URL="https://prefect.example/api")
    assert server_environment(base, "0.0.0.0", 4200, None)["PREFECT_UI_API_URL"] == "https://prefect.example/api"


@pytest.mark.parametrize(
    ("said", "past"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": ".intranet.example, 127.0.0.1"}, ".intranet.example,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": ".other", "no_proxy": ".intranet.example"}, ".intranet.example,127.0.0.1,localhost,::1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_no_proxy_is_asked_for_what_is_on_this_machine(seen, monkeypatch, said, past):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    environment = seen(**said)
    assert (environment["NO_PROXY"], environment["no_proxy"]) == (past, past)
    for _ in range(2):
        settle_environment()
        assert (os.environ["NO_PROXY"], os.environ["no_proxy"]) == (past, past)
