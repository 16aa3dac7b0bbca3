"""A home of three documents, and the `ragloop` command in a process of its own."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.rag.answering.shop import open_shop

SCRIPTS = Path(sysconfig.get_path("scripts"))


class Installed:
    """The installed command, as a shell runs it."""

    def __init__(self, folder):
        self.home = folder / "home"
        self.environment = {
            **os.environ,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "RAGLOOP_HOME": str(self.home),
            "RAGLOOP_KEY_FILE": str(folder / "keyring.json"),
        }
        for name in ("PREFECT_API_URL", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
            self.environment.pop(name, None)

    def run(self, *words, **environment):
        return subprocess.run(
            words, env=self.environment | environment, capture_output=True, text=True, check=False, timeout=600
        )


@pytest.fixture(scope="package")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    open_shop(folder)
    return folder


@pytest.fixture
def installed(shop):
    """The command in the home of the shop."""
    return Installed(shop)


@pytest.fixture
def homeless(tmp_path):
    """The command where there is no home."""
    return Installed(tmp_path)
