import socket

import pytest

from app.cli.listening import listen


@pytest.fixture(params=["own", "inherited"])
def listener(request):
    if request.param == "own":
        opened = listen("127.0.0.1", 0)
    else:
        opened = listen("127.0.0.1", 0, socket.create_server(("127.0.0.1", 0)).detach())
    with opened:
        yield opened


def test_no_connection_waits_for_acknowledgements(listener):
    with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
