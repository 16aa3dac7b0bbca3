"""A home of three documents, the `ragloop` command in a process of its own, and something that answers."""

import os
import pty
import subprocess
import sysconfig
import termios
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


def in_terminal(command, columns, environment, typed=""):
    """Run a command in a terminal of that width, type, and return what it shows."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, typed.encode())
    shown = b""
    try:
        while piece := os.read(ours, 4096):
            shown += piece
    except OSError:  # the terminal's other end has closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode().replace("\r\n", "\n")


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
        status = self.path.split("/")[1]
        self.send_response(int(status) if status in ("401", "404") else 200)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The root of something that answers whatever it is asked; under /401 and /404 it does so with that."""
    with HTTPServer(("127.0.0.1", 0), Answering) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
