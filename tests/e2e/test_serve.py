"""`ragloop serve` and `ragloop keys` as people use them."""

import json
import signal
import socket
import subprocess

import httpx

from tests.e2e.conftest import ROOT, wait_until


class Served:
    """A running `ragloop serve` on a free port."""

    def __init__(self, ragloop):
        self.output = ragloop.folder / "serve.log"
        with self.output.open("wb") as log:
            command = ragloop.command("serve", "--port", "0")
            self.process = subprocess.Popen(command, cwd=ROOT, env=ragloop.environment, stdout=log, stderr=log)
        assert wait_until(lambda: "ready http" in self.said() or self.process.poll() is not None, 300), self.said()
        self.url = self.said().split("ready ")[1].split()[0]

    def said(self):
        return self.output.read_text()

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=300)


def test_it_takes_a_document_answers_from_it_and_ends_well(ragloop):
    key = ragloop.ok("keys", "create", "--role", "trainer", "--quiet").strip()
    served = Served(ragloop)
    try:
        assert "ragloop keys create" not in served.said()
        with httpx.Client(base_url=served.url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as trainer:
            file = ("town.md", b"# Town\n\nThe weathercock of the town hall is a gilded pike.")
            trainer.post("/collections/default/documents", files={"file": file}).raise_for_status()
            assert wait_until(lambda: trainer.get("/readyz").status_code == 200, 300)
            answer = trainer.post("/ask", json={"question": "What is the weathercock of the town hall?"})
            assert "gilded pike" in answer.json()["text"]
        assert served.stop(signal.SIGTERM) == 0
        assert "Traceback" not in served.said()
    finally:
        served.process.kill()


def test_keys_are_listed_and_revoked(ragloop):
    shown = ragloop.ok("keys", "create", "--role", "trainer", "--collection", "handbook", "--expires-days", "7")
    assert "shown this once" in shown
    (key,) = json.loads(ragloop.ok("keys", "list", "--json"))
    assert key["id"] in shown
    assert key["role"] == "trainer"
    assert key["collections"] == ["handbook"]
    assert key["expires_at"]
    assert key["id"] in ragloop.ok("keys", "revoke", key["id"])
    assert json.loads(ragloop.ok("keys", "list", "--json"))[0]["revoked_at"]
    assert "keys list" in ragloop.refused("keys", "revoke", "rk_nobody")
    assert "reader, trainer, admin" in ragloop.refused("keys", "create", "--role", "king")
    assert "collection" in ragloop.refused("keys", "create", "--role", "reader", "--collection", "no/such")


def test_it_says_what_is_missing(ragloop):
    assert "ragloop ingest" in ragloop.refused("serve")
    key = ragloop.ok("keys", "create", "--role", "reader", "--quiet").strip()
    ragloop.ok("keys", "revoke", key[:11])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "another --port" in ragloop.refused("serve", "--port", taken.getsockname()[1])
    assert "another --host" in ragloop.refused("serve", "--host", "203.0.113.1", "--port", 0)
    served = Served(ragloop)
    try:
        assert "ragloop keys create" in served.said()
        assert "add documents" in httpx.get(f"{served.url}/readyz", timeout=60).json()["reason"]
        assert served.stop(signal.SIGINT) == 0
    finally:
        served.process.kill()
