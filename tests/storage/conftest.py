from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.sealing import Keyring, Sealer


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(Keyring.generate())


@pytest.fixture
def database(tmp_path: Path, sealer: Sealer) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'home' / 'ragloop.db'}", sealer)
    database.migrate()
    yield database
    database.close()
