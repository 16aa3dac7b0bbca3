"""The page's client against servers that do not behave."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.page.client import Api, ApiError


@contextmanager
def saying(body, status=200, kind="text/html"):
    """Serve one answer to everything; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def asked(url):
    return list(Api(url).ask({"question": "why?"}))


def test_events_are_told_as_they_come():
    body = b'event: token\ndata: {"text": "a: b"}\n\n: a comment\n\nevent: done\ndata: {"text":\ndata: "a: b"}\n\n'
    with saying(body, kind="text/event-stream") as url:
        assert asked(url) == [("token", {"text": "a: b"}), ("done", {"text": "a: b"})]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'event: token\ndata: {"text": "half"}\n\n', "broke off"),
        (b'event: error\ndata: {"message": "nobody answers: try later"}\n\n', "nobody answers"),
        (b"event: token\ndata: {half\n\n", "broke off"),
    ],
)
def test_a_stream_that_does_not_end_well_is_told(body, word):
    with saying(body, kind="text/event-stream") as url, pytest.raises(ApiError, match=word):
        asked(url)


def test_a_failure_without_our_words_is_told_with_its_status():
    with saying(b"<html>proxy</html>", 502) as url, pytest.raises(ApiError, match="502") as raised:
        Api(url).documents("default")
    assert raised.value.status == 502


@pytest.mark.parametrize("call", [lambda api: api.ways(), lambda api: api.documents("a"), lambda api: api.retrain("a")])
@pytest.mark.parametrize("body", [b"<html>somebody else's page</html>", b'"a word"'])
def test_another_server_at_the_address_is_told(call, body):
    with saying(body) as url, pytest.raises(ApiError, match="check the address"):
        call(Api(url))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no such host", "nowhere"])
def test_an_address_that_leads_nowhere_is_told(url):
    with pytest.raises(ApiError, match="check|does not answer"):
        Api(url).ways()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_hears_what_goes_to_this_machine(monkeypatch, host):
    with saying(b"{}", kind="application/json") as url, saying(b"{}", kind="application/json", status=407) as proxy:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        assert Api(url.replace("127.0.0.1", host), "rk_secret").max_upload_mb() is None
        with pytest.raises(ApiError, match="407"):
            Api("http://api.example", "rk_secret").max_upload_mb()
