import socket

import pytest

from app.cli.listening import listen
from storage.errors import RagloopError


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


@pytest.mark.parametrize(
    ("host", "why"),
    [("127.0.0.1", r"Address already in use\): stop"), ("192.0.2.1", r"Cannot assign requested address\): give")],
)
def test_why_it_cannot_listen_is_said_once(listener, host, why):
    port = listener.getsockname()[1]
    with pytest.raises(RagloopError, match=rf"cannot listen on {host}:{port} \({why} "):
        listen(host, port)
