"""The loop through the HTTP API: ask, react, retrain, and serve what was learned; then forget a document."""

import json
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.company import write_company, write_questions
from tests.e2e.conftest import ROOT, Ragloop, wait_until

READY_S = 180


class Served:
    """A running `ragloop serve`."""

    def __init__(self, ragloop):
        self.log = ragloop.folder / "serve.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ragloop.command("serve", "--port", "0"), cwd=ROOT, env=ragloop.environment, stdout=log, stderr=log
            )
        wait_until(lambda: "ready http://" in self.log.read_text() or self.process.poll() is not None, READY_S)
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("ready ")]
        assert lines, self.log.read_text()
        self.url = lines[0].split()[1]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=120)


@pytest.fixture(scope="module")
def served(tmp_path_factory, prefect_server):
    ragloop = Ragloop(tmp_path_factory.mktemp("served"), prefect_server)
    ragloop.ok("ingest", write_company(ragloop.folder / "documents"))
    ragloop.ok("pairs", "import", write_questions(ragloop.folder / "questions.jsonl"))
    key = ragloop.ok("keys", "create", "--role", "admin", "--quiet").strip()
    server = Served(ragloop)
    try:
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {key}"}, timeout=120) as client:
            yield ragloop, client, server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def _ask(client, question, user):
    done = client.post("/ask", json={"question": question, "user": user})
    assert done.status_code == 200, done.text
    return done.json()


def test_reactions_given_through_the_api_are_pairs_of_the_next_release_and_its_card_counts_them(served):
    ragloop, client, _ = served
    products = json.loads(ragloop.ok("documents", "--json"))
    taught = 0
    for place, document in enumerate(products):
        product = document["name"].removesuffix(".md").capitalize()
        answer = _ask(client, f"Which valley does the workshop behind the {product} lie in?", f"user-{place}")
        assert answer["found"], answer
        right = next(source for source in answer["sources"] if source["document"] == document["name"])
        reaction = {"interaction_id": answer["id"], "kind": "right_passage", "chunk_id": right["chunk_id"]}
        kept = client.post("/feedback", json={**reaction, "user": f"user-{place}"})
        assert kept.status_code == 201, kept.text
        taught += 1
    outcome = json.loads(ragloop.ok("retrain", "--json"))
    release = json.loads(ragloop.ok("releases", "show", str(outcome["release_id"]), "--json"))
    card = (ragloop.home / "artifacts" / "embedder" / release["embedder"]["digest"] / "README.md").read_text()
    n_pairs = release["trained_on"]["feedback"]
    assert 0 < n_pairs <= taught
    assert f"| feedback | {n_pairs} |" in card


def test_the_server_answers_from_a_promoted_release_without_a_restart(served):
    ragloop, client, _ = served
    before = _ask(client, "How long does a firmware update of the Alder last?", "someone")["release_id"]
    (ragloop.folder / "late.md").write_text("# Late\n\nThe Jarlin hums a lullaby at noon in the third courtyard.")
    ragloop.ok("ingest", ragloop.folder / "late.md")
    answer = _ask(client, "What does the Jarlin hum at noon?", "someone")
    assert answer["release_id"] > before
    assert answer["citations"][0]["document"] == "late.md"


def test_a_forgotten_document_is_in_no_later_answer_of_the_running_server(served):
    ragloop, client, _ = served
    question = "How long does a firmware update of the Birk last?"
    assert _ask(client, question, "someone")["citations"][0]["document"] == "birk.md"
    gone = json.loads(ragloop.ok("forget", "birk.md", "--yes", "--json"))
    assert gone["releases"], "the retraining before had learned from it"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: _ask(client, question, "someone"), range(8)))
    for answer in answers:
        assert not answer["cached"] or answer["release_id"] == answers[0]["release_id"]
        assert "birk.md" not in {source["document"] for source in answer["sources"]}
        assert "birk.md" not in {citation["document"] for citation in answer["citations"]}


def test_the_server_ends_at_ctrl_c_and_leaves_nothing(served):
    _, _, server = served
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
