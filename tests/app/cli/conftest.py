"""A home of three documents, the `ragloop` command in a process of its own, and something that answers."""

import os
import subprocess
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
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


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The root of something that answers whatever it is asked."""
    with HTTPServer(("127.0.0.1", 0), Answering) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
