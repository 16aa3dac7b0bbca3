"""`ragloop page` as a process: it starts, says where, ends well, and refuses what cannot work."""

import asyncio
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.e2e.conftest import wait_until


@pytest.fixture
def started(ragloop):
    process = ragloop.start("page", "--port", "0")
    yield process, ragloop.folder / "background.log"
    process.kill()


def url_of(process, log):
    assert wait_until(lambda: "ready http" in log.read_text() or process.poll() is not None, 120), log.read_text()
    return re.search(r"^ready (\S+)$", log.read_text(), re.MULTILINE).group(1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_well(started, number, ragloop):
    process, log = started
    url = url_of(process, log)
    assert httpx.get(f"{url}/_stcore/health", timeout=60).is_success
    assert "<title>" in httpx.get(url, timeout=60).text
    process.send_signal(number)
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in log.read_text()
    assert not ragloop.home.exists(), "the page needs no home"


def test_what_cannot_work_is_refused(ragloop):
    for option in ("--api", "--prefect", "--origins"):
        assert option in ragloop.refused("page", option, "nowhere")
    assert "--api-key-file" in ragloop.refused("page", "--api-key-file", ragloop.folder / "none")
    (ragloop.folder / "empty").touch()
    assert "is empty" in ragloop.refused("page", "--api-key-file", ragloop.folder / "empty")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "another --port" in ragloop.refused("page", "--port", taken.getsockname()[1])


def stream(url, host=None, origin=None):
    """Connect as a browser does that has the page, or another site's, from `origin`."""
    address = httpx.URL(url)
    return websockets.connect(
        f"ws://{host or address.netloc.decode()}/_stcore/stream",
        host=address.host,
        port=address.port,
        origin=origin or url,
        subprotocols=["streamlit"],
        open_timeout=60,
    )


def status(url, **site):
    """Return how the page answers to one that wants to use it."""

    async def connect():
        try:
            async with stream(url, **site) as connection:
                return connection.response.status_code
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    return asyncio.run(connect())


def test_no_other_site_uses_the_page(ragloop):
    (ragloop.folder / "key").write_text("rk_made_up")
    origins = "https://rag.example, http://intranet.example:81"
    process = ragloop.start("page", "--port", 0, "--api-key-file", ragloop.folder / "key", "--origins", origins)
    try:
        url = url_of(process, ragloop.folder / "background.log")
        port = httpx.URL(url).port
        assert status(url) == 101
        assert status(url, host=f"localhost:{port}", origin=f"http://localhost:{port}") == 101
        assert status(url, origin="https://rag.example") == 101, "through a proxy"
        assert status(url, host="rag.example", origin="https://rag.example") == 101
        assert status(url, origin="http://localhost:9999") == 403
        assert status(url, origin="https://rag.example:9999") == 403
        assert status(url, host=f"evil.example:{port}", origin=f"http://evil.example:{port}") == 403
        refused = httpx.get(url, headers={"Host": "evil.example"}, timeout=60)
        assert (refused.status_code, "--origins" in refused.text) == (403, True)
    finally:
        process.kill()


def test_who_signs_in_opens_the_page_under_any_name(started):
    url = url_of(*started)
    assert status(url, host="box.example", origin="http://box.example") == 101
    assert status(url, host="box.example", origin="http://localhost:9999") == 403


async def session_of(connection):
    """Begin as a browser does, and return the session's id."""
    begin = BackMsg()
    begin.rerun_script.query_string = ""
    await connection.send(begin.SerializeToString())
    while True:
        told = ForwardMsg.FromString(await connection.recv())
        if told.WhichOneof("type") == "new_session":
            return told.new_session.initialize.session_id


def open_files(process):
    return [str(each.readlink()) for each in Path(f"/proc/{process.pid}/fd").iterdir() if each.is_symlink()]


def test_a_file_that_is_sent_never_lies_on_the_disk(started, tmp_path):
    process, log = started
    url = url_of(process, log)
    seen = []

    async def body():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for _ in range(8):
            yield b"w" * 2**20
            await asyncio.sleep(0.05)
            seen.extend(open_files(process))
        yield b"\r\n--x--\r\n"

    async def send():
        async with stream(url) as connection, httpx.AsyncClient(base_url=url, timeout=60) as browser:
            await browser.get("/_stcore/health")
            headers = {"X-Xsrftoken": browser.cookies["_streamlit_xsrf"]}
            headers["Content-Type"] = "multipart/form-data; boundary=x"
            file = f"/_stcore/upload_file/{await session_of(connection)}/one"
            return await browser.put(file, content=body(), headers=headers)

    assert asyncio.run(send()).status_code == 204
    assert seen
    assert not [each for each in seen if "(deleted)" in each]
