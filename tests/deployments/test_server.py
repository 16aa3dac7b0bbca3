import socket

import pytest

from app.cli.ephemeral import require_server
from deployments.server import ServerUnreachable, connect
from tests.prefect_server import running_server


def test_a_server_that_does_not_answer_is_named_with_what_to_start(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(ServerUnreachable) as refused:
        connect()
    assert address in str(refused.value)
    assert "ragloop up" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_server_that_wants_a_sign_in_is_named_with_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:secret")
    with running_server(tmp_path) as server:
        monkeypatch.setenv("PREFECT_API_URL", server.url)
        for sign_in in (None, "admin:wrong"):
            if sign_in:
                monkeypatch.setenv("PREFECT_API_AUTH_STRING", sign_in)
            for ask in (connect, lambda: require_server(server.url)):
                with pytest.raises(ServerUnreachable, match="wants a sign-in: set PREFECT_API_AUTH_STRING") as refused:
                    ask()
                assert server.url in str(refused.value)
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
        require_server(server.url)
        with connect() as client:
            assert client.read_flow_runs() == []
