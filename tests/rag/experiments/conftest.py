import pytest

from rag.settings import Settings
from rag.workspace import Workspace
from tests.rag.experiments.shop import speaking_shop
from tests.rag.full_home import copied


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speaking")
    speaking_shop(folder).database.close()
    return folder


@pytest.fixture
def space(filled, tmp_path):
    """A home whose chat model knows when the bakery opens, and nothing else."""
    folder = copied(filled, tmp_path)
    return Workspace.open(Settings(home=folder / "home", key_file=folder / "keyring.json"))
