"""Feedback, claims and outbox on a real PostgreSQL, where writers meet whom SQLite lets in one by one."""

from uuid import uuid4

import pytest

from storage.database import Database
from storage.sealing import Keyring, Sealer
from tests.rag.feedback.test_claims import *  # noqa: F403  all of them hold on any database
from tests.rag.feedback.test_outbox import *  # noqa: F403
from tests.rag.feedback.test_recording import *  # noqa: F403

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def one_database(cluster):
    name = f"test_{uuid4().hex}"
    cluster.execute(f"CREATE DATABASE {name}")
    database = Database(cluster.url(name), Sealer(Keyring.generate()))
    database.migrate()
    yield database
    database.close()
    cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")
