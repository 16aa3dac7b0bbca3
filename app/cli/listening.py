"""An ASGI application as a process that listens, until it is told to stop."""

import errno
import os
import signal
import socket
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storage.errors import RagloopError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Host = Annotated[str, typer.Option(help="Address that it listens on; any but 127.0.0.1 is open to others.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for a free one.")]
Descriptor = Annotated[
    int | None, typer.Option("--fd", hidden=True, help="File descriptor of a socket that listens already.")
]


def listen(host: str, port: int, descriptor: int | None = None) -> socket.socket:
    """Return a socket that listens.

    :param descriptor: that of a socket that listens already, which is taken over instead.
    :raises RagloopError: if the address is not this machine's, or the port is taken.
    """
    listener = socket.socket(fileno=descriptor) if descriptor is not None else _bound(host, port)
    # Whatever it accepts inherits this. asyncio sees to it only where a socket names its protocol, which ours do not;
    # each answer would wait 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)  # without "while"
        remedy = "stop what listens there, or give another --port" if taken else "give another --host or --port"
        raise RagloopError(f"cannot listen on {host}:{port} ({why}): {remedy}") from error


def run_app(app: "ASGIApp", listening: socket.socket, host: str, **settings: Any) -> None:
    """Serve an application on a socket until SIGINT or SIGTERM; prints `ready` and its address once it answers.

    :param host: as people write it in the address.
    :param settings: further ones of `uvicorn.Config`.
    """
    import uvicorn

    url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"ready {url}", flush=True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # uvicorn sets its own, and after a graceful end raises them once more
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, **settings)
    Server(config).run(sockets=[listening])
