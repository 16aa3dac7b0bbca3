import pytest

from storage.artifacts import ArtifactRef
from storage.database import Database
from storage.registry import Registry
from storage.sealing import Keyring, Sealer


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'home' / 'ragloop.db'}", Sealer(Keyring.generate()))
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def release_id(database):
    embedder, index = ArtifactRef.of("embedder", "e"), ArtifactRef.of("index", "i")
    facts = {"parent_id": None, "reason": "first", "answering": {}, "config": {}, "lineage": {}}
    return Registry(database).register("default", embedder=embedder, index=index, **facts).id
