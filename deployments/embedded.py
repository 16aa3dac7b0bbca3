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

COLLECT_S = 2.0


def serve(descriptor: int) -> None:
    """Serve Prefect's API and UI on an inherited socket until SIGTERM."""
    import uvicorn
    from prefect.server.api.server import create_app

    _lock_before_reading()
    listener = socket.socket(fileno=descriptor)
    config = uvicorn.Config(create_app(final=True), log_level="warning", timeout_graceful_shutdown=3)
    _collect_garbage_aside()
    uvicorn.Server(config).run(sockets=[listener])


def _lock_before_reading() -> None:
    """Let automations take SQLite's write lock before they read.

    Prefect 3.8.8 takes it when they write, which SQLite refuses if anybody has written since they read ("database is
    locked", Prefect's issue 18934): events were lost in that way, and others acted upon twice. PostgreSQL is not
    concerned.
    """
    from prefect.server.database import provide_database_interface
    from prefect.server.events import triggers

    @asynccontextmanager
    async def automations_session(begin_transaction: bool = False) -> AsyncGenerator[Any, None]:
        database = provide_database_interface()
        async with database.session_context(begin_transaction, with_for_update=begin_transaction) as session:
            yield session

    triggers.automations_session = automations_session


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
