"""The Prefect server inside `ragloop up`: `python -m deployments.embedded FD`.

It serves on a listening socket that it inherits. While it is started again after a crash, connections wait in that
socket instead of being refused, so that no client need notice.
"""

import gc
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import rag  # noqa: F401  sets the switches that Prefect reads when it is imported

COLLECT_S = 10.0


def serve(descriptor: int) -> None:
    """Serve Prefect's API and UI on an inherited socket until SIGTERM."""
    import uvicorn
    from prefect.server.api.server import create_app

    _lock_before_reading()
    listener = socket.socket(fileno=descriptor)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does so only where a protocol is named
    config = uvicorn.Config(create_app(final=True), log_level="warning", timeout_graceful_shutdown=3)
    _collect_garbage_aside()
    uvicorn.Server(config).run(sockets=[listener])


def _lock_before_reading() -> None:
    """Let every transaction take SQLite's write lock before it reads.

    Prefect 3.8.8 mostly takes it when it writes, which SQLite refuses at once if anybody has written since the
    transaction has read ("database is locked", Prefect's issue 18934): heartbeats and events were lost in that way, and
    events acted upon twice. PostgreSQL is not concerned.
    """
    from prefect.server.database import configurations

    @asynccontextmanager
    async def begin_transaction(self: Any, session: Any, with_for_update: bool = False) -> AsyncGenerator[Any, None]:
        async with session.begin() as transaction:
            mode = configurations.SQLITE_BEGIN_MODE.set("IMMEDIATE")
            try:
                await session.connection()
            finally:
                # Sessions and tasks that begin within this one would inherit the mode, and wait for its lock.
                configurations.SQLITE_BEGIN_MODE.reset(mode)
            yield transaction

    configurations.AioSqliteConfiguration.begin_transaction = begin_transaction  # type: ignore[method-assign]


def _collect_garbage_aside() -> None:
    """Collect garbage in a thread of its own, not in the one that serves.

    To end a forgotten cursor is to wait for its SQLite connection. When that waited for the write lock, and the lock's
    holder for the thread that serves, the whole server stood still until SQLite gave up, for 60 s.
    """
    gc.freeze()
    gc.disable()

    def collect() -> None:
        while True:
            time.sleep(COLLECT_S)
            gc.collect()

    threading.Thread(target=collect, daemon=True, name="garbage").start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
