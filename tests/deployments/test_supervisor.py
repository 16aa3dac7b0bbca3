"""Parts that die, and their logs."""

import os
import socket
import sys
import threading
import time
from queue import SimpleQueue

import pytest

from deployments.supervisor import Part, PartFailed, Supervisor, _answers, bound_log
from tests.prefect_server import wait_until


def part(tmp_path, code):
    return Part("server", [sys.executable, "-c", code], os.environ, tmp_path / "server.log")


def test_a_part_that_dies_over_and_over_is_given_up_with_its_last_words(tmp_path):
    server = part(tmp_path, "raise SystemExit('no room on the disk')")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api")
    server.start(supervisor.died)
    with pytest.raises(PartFailed, match=r"no room on the disk.*server\.log"):
        supervisor.watch(sweep=lambda: None)


def test_a_page_that_dies_over_and_over_is_given_up_alone(tmp_path, caplog):
    server = part(tmp_path, "import time; time.sleep(600)")
    page = Part("page", [sys.executable, "-c", "raise SystemExit('no streamlit')"], os.environ, tmp_path / "page.log")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api", (page,))
    server.start(supervisor.died)
    page.start(supervisor.died)
    watching = threading.Thread(target=supervisor.watch, args=(lambda: None,), daemon=True)
    watching.start()
    try:
        assert wait_until(lambda: "all else goes on" in caplog.text, 30)
        assert "the page ended 5 times in a short while (no streamlit)" in caplog.text
        assert watching.is_alive()
        assert server.process.poll() is None
        assert page.process.poll() is not None
        supervisor.stop()
        watching.join(30)
        assert not watching.is_alive()
    finally:
        server.process.kill()


def test_health_is_asked_for_past_every_proxy(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "app.cli", "page", "--fd", str(listener.fileno())]
        page = Part("page", command, os.environ, tmp_path / "page.log", (listener.fileno(),), f"{url}/_stcore/health")
        page.start(SimpleQueue())
        try:
            assert wait_until(lambda: _answers(page.health), 60), page.last_words()
        finally:
            page.process.kill()


def test_a_part_that_does_not_start_is_said_with_its_last_words(tmp_path):
    server = part(tmp_path, "raise SystemExit('no such database')")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api")
    with pytest.raises(PartFailed, match="no such database"):
        supervisor.start(bootstrap=list)


def test_a_page_that_does_not_start_is_said_with_its_last_words(tmp_path):
    server = part(tmp_path, "import time; time.sleep(600)")
    page = Part("page", [sys.executable, "-c", "raise SystemExit('no streamlit')"], os.environ, tmp_path / "page.log")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api", (page,))
    try:
        with pytest.raises(PartFailed, match=r"the page did not start \(no streamlit\)"):
            supervisor.start(bootstrap=list)
    finally:
        server.process.kill()


WRITES_ON = """
import os, time
print("x" * 5000, flush=True)
while os.fstat(1).st_size:
    time.sleep(0.01)
print("more", flush=True)
"""


def test_a_log_stays_within_bounds_while_its_part_writes_on(tmp_path):
    log = tmp_path / "server.log"
    ended = SimpleQueue()
    noisy = part(tmp_path, WRITES_ON)
    noisy.start(ended)
    while not log.stat().st_size:
        time.sleep(0.01)
    bound_log(log, max_bytes=1000)
    ended.get(timeout=30)
    assert log.read_text() == "more\n"
    assert len((tmp_path / "server.old.log").read_text()) == 5001
    assert log.stat().st_mode & 0o777 == (tmp_path / "server.old.log").stat().st_mode & 0o777 == 0o600


UVICORN = """
print("INFO: Started")
print("ERROR:    Traceback (most recent call last):")
print('  File "server.py", line 1, in start')
print("sqlalchemy.exc.OperationalError: no such table: block")
print("(Background on this error at: https://sqlalche.me/e/20/e3q8)")
print()
print("ERROR:    Application startup failed. Exiting.")
"""


def test_an_exception_says_more_than_that_the_start_failed(tmp_path):
    server = part(tmp_path, UVICORN)
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api")
    with pytest.raises(PartFailed, match=r"\(sqlalchemy.exc.OperationalError: no such table: block\)"):
        supervisor.start(bootstrap=list)


def test_what_an_earlier_start_said_is_not_repeated(tmp_path):
    (tmp_path / "server.log").write_text("Traceback (most recent call last):\nOSError: of yesterday\n")
    server = part(tmp_path, "raise SystemExit('no such database')")
    supervisor = Supervisor(tmp_path, server, {}, "http://127.0.0.1:9/api")
    with pytest.raises(PartFailed, match=r"\(no such database\)"):
        supervisor.start(bootstrap=list)


OVERLOADED = """
import json, sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

worker = {"name": "gpu-here", "work_pool_id": "0" * 32, "status": "ONLINE"}
errors = [500, 500]

class Server(BaseHTTPRequestHandler):
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self):
        self.answer(200 if self.path in ("/api/health", "/api/admin/version") else 404, {})

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/workers/filter"):
            self.answer(200, [])
        elif errors:
            self.answer(errors.pop(), {})
        else:
            print("workers told", flush=True)
            self.answer(200, [worker | {"last_heartbeat_time": datetime.now(UTC).isoformat()}])

HTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
"""


def test_a_server_that_is_overloaded_for_a_moment_is_asked_again(tmp_path, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    monkeypatch.setenv("PREFECT_API_URL", api)
    server = part(tmp_path, OVERLOADED)
    server.command.append(str(port))
    worker = Part("gpu", [sys.executable, "-c", "import time; time.sleep(600)"], os.environ, tmp_path / "gpu.log")
    supervisor = Supervisor(tmp_path, server, {"gpu-here": worker}, api)
    try:
        supervisor.start(bootstrap=list)
        assert "workers told" in server.log.read_text()
    finally:
        for each in (server, worker):
            if each.process:
                each.process.kill()


def test_without_workers_no_lost_runs_are_looked_for(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    worker = part(tmp_path, "")
    supervisor = Supervisor(tmp_path, part(tmp_path, ""), {"gpu-here": worker}, "http://127.0.0.1:9/api")
    supervisor.crash_lost_runs()
    assert not caplog.messages
    worker.start(supervisor.died)
    supervisor.crash_lost_runs()
    assert "lost runs were not looked for" in caplog.text
