from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.sealing import Keyring, Sealer


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'home' / 'ragloop.db'}", Sealer(Keyring.generate()))
    database.migrate()
    yield database
    database.close()
