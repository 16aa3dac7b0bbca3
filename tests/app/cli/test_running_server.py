"""A command in a home where `ragloop up` runs uses its server, and no other."""

import fcntl
import json
import os

import pytest

from app.cli.ephemeral import require_server, use_running_server


@pytest.fixture
def up(folder):
    """What `ragloop up` holds as long as it lives."""
    with (folder / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "")
    monkeypatch.delenv("PREFECT_API_URL")
    monkeypatch.setenv("PREFECT_HOME", "elsewhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(folder, api_url):
    (folder / "up.json").write_text(json.dumps({"api_url": api_url, "ui_url": api_url, "pid": 1}))


@pytest.mark.usefixtures("up")
def test_the_server_of_the_home_is_used(folder, server, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "")
    say(folder, f"{server}/api")
    use_running_server(folder)
    assert os.environ["PREFECT_API_URL"] == f"{server}/api"
    assert os.environ["PREFECT_HOME"] == str(folder / "prefect")


@pytest.mark.usefixtures("up")
def test_a_server_that_is_named_comes_first(folder, server, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://named/api")
    say(folder, f"{server}/api")
    use_running_server(folder)
    assert os.environ["PREFECT_API_URL"] == "http://named/api"


@pytest.mark.usefixtures("up")
def test_one_that_is_named_in_dot_env_does_too(folder, server):
    (folder / ".env").write_text("PREFECT_API_URL=http://named/api\n")
    say(folder, f"{server}/api")
    use_running_server(folder)
    assert os.environ["PREFECT_API_URL"] == "http://named/api"


def test_a_server_on_this_machine_is_asked_past_every_proxy(folder, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    use_running_server(folder)
    require_server(f"{server}/api")


def test_an_address_that_outlived_its_server_is_ignored_whoever_answers_there_now(folder, server, up):
    say(folder, f"{server}/api")
    up.close()
    use_running_server(folder)
    assert "PREFECT_API_URL" not in os.environ


def test_an_address_beside_no_lock_is_ignored(folder, server):
    say(folder, f"{server}/api")
    use_running_server(folder)
    assert "PREFECT_API_URL" not in os.environ


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"api_url": 1}', None])
def test_an_address_that_leads_nowhere_is_ignored(folder, text):
    if text is None:
        say(folder, "http://127.0.0.1:9/api")
    else:
        (folder / "up.json").write_text(text)
    use_running_server(folder)
    assert "PREFECT_API_URL" not in os.environ
