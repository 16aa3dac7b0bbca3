"""`ragloop page` as a process: it starts, says where, ends well, and refuses what cannot work."""

import re
import signal
import socket

import httpx
import pytest

from tests.e2e.conftest import wait_until


@pytest.fixture
def started(ragloop):
    process = ragloop.start("page", "--port", "0")
    yield process, ragloop.folder / "background.log"
    process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_well(started, number, ragloop):
    process, log = started
    assert wait_until(lambda: "ready http" in log.read_text() or process.poll() is not None, 120), log.read_text()
    url = re.search(r"^ready (\S+)$", log.read_text(), re.MULTILINE).group(1)
    assert httpx.get(f"{url}/_stcore/health").is_success
    assert "<title>" in httpx.get(url).text
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in log.read_text()
    assert not ragloop.home.exists(), "the page needs no home"


def test_what_cannot_work_is_refused(ragloop):
    assert "--api" in ragloop.refused("page", "--api", "nowhere")
    assert "--api-key-file" in ragloop.refused("page", "--api-key-file", ragloop.folder / "none")
    (ragloop.folder / "empty").touch()
    assert "is empty" in ragloop.refused("page", "--api-key-file", ragloop.folder / "empty")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "another --port" in ragloop.refused("page", "--port", taken.getsockname()[1])
