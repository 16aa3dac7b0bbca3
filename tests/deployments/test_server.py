import socket

import pytest

from deployments.server import ServerUnreachable, connect


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
