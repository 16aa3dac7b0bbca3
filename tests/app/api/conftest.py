"""A real server on the loopback, with a company's documents in one collection and a town's in another."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import pytest
import uvicorn

from app.access import Role, create_key
from app.api.application import create_app
from app.api.retrainings import Run, RunState
from app.api.service import Service
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.releases import refresh_release
from rag.settings import Settings
from rag.workspace import Workspace
from storage.columns import utc_now
from storage.errors import RagloopError
from tests.company import write_company

TOWN = "The weathercock of the town hall is a gilded pike. It was cast in 1887 by the smith Aldous Fenn."


def add_documents(space, collection, folder, config):
    """Put a folder's documents into production."""
    intake = seal_uploads(space.artifacts, space.database, collection, [str(folder)])
    ingest_uploads(space.artifacts, space.database, collection, intake.uploads, config.chunking)
    return refresh_release(space, collection, config)


class NoWorkers:
    """Stands where the Prefect server's client does: none runs here."""

    def start(self, collection):
        raise RagloopError("no Prefect server is named: start it with `ragloop up`")

    last = start


class Workers:
    """Stands where the Prefect server's client does: what it starts waits, until a test says how it goes on."""

    def __init__(self):
        self.runs = []

    def start(self, collection):
        self.runs.insert(0, (collection, f"run-{len(self.runs) + 1}-of-{collection}", RunState.WAITING, None))
        return self.runs[0][1]

    def last(self, collection):
        return [
            Run(run=run, name="retrain-api", state=state, said=said, started_at=utc_now(), ended_at=None)
            for name, run, state, said in self.runs
            if name == collection
        ]

    def go_on(self, state, said=None):
        """Let what was started last be in a state."""
        self.runs[0] = (*self.runs[0][:2], RunState(state), said)


@contextmanager
def serving(space, config=None, retrainings=None, port=0):
    """Serve a home; yield its address and keys, and the service behind it."""
    config = config or space.settings.stages("smoke")
    service = Service.open(space, config, retrainings or NoWorkers())
    settings = uvicorn.Config(create_app(service), port=port, log_config=None, ws="none", timeout_graceful_shutdown=5)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not (server.started and service.warm.is_set()):
        assert thread.is_alive()
        time.sleep(0.02)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield SimpleNamespace(url=url, space=space, service=service, uvicorn=server, key=KeyMaker(space))
    finally:
        server.should_exit = True
        thread.join(30)


class KeyMaker:
    """Makes keys of each role."""

    def __init__(self, space):
        self.space = space

    def __call__(self, role="reader", *collections, **more):
        return create_key(self.space.database, Role(role), collections, **more)[0]


def client(server, role="reader", *collections):
    """Return an HTTP client with a fresh key of a role."""
    headers = {"Authorization": f"Bearer {server.key(role, *collections)}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=60)


def open_space(folder, **settings):
    """Make a home of its own."""
    return Workspace.open(Settings(home=folder / "home", key_file=folder / "keys.json", **settings), create=True)


@pytest.fixture(scope="session")
def documents(tmp_path_factory):
    """Folders of documents: a company's and a town's."""
    folder = tmp_path_factory.mktemp("documents")
    write_company(folder / "company")
    (folder / "town").mkdir()
    (folder / "town" / "town.md").write_text(TOWN)
    return folder


@pytest.fixture(scope="session")
def space(tmp_path_factory, documents):
    """A home with the company's documents in `default` and the town's in `town`."""
    opened = open_space(tmp_path_factory.mktemp("server"), requests_per_minute=0)
    config = opened.settings.stages("smoke")
    add_documents(opened, "default", documents / "company", config)
    add_documents(opened, "town", documents / "town", config)
    return opened


@pytest.fixture(scope="session")
def server(space):
    """A server of that home; tests may add to it, but not break it."""
    with serving(space) as running:
        yield running
