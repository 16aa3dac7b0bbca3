"""A promotion is taken back, as a user types it, after documents have come."""

import json

from rag.config import RetrievalConfig
from rag.settings import Settings
from rag.workspace import Workspace
from tests.releases import another

SEARCH = "search", "the copper lid of the Iversen", "--json", "--top-k", 1


def test_rollback_takes_back_models_and_no_documents(ragloop):
    folder = ragloop.folder / "documents"
    folder.mkdir()
    (folder / "hassel.md").write_text("The Hassel is a lamp with a brass foot.")
    ragloop.ok("ingest", folder)
    registry = Workspace.open(Settings(home=ragloop.home, key_file=ragloop.environment["RAGLOOP_KEY_FILE"])).registry
    first = registry.production("default")
    other = another(registry, first, answering=RetrievalConfig(dense_weight=1.0).model_dump())
    ragloop.ok("releases", "promote", other.id)
    assert ragloop.ok("releases", "rollback") == f"release {first.id} serves default again\n"

    ragloop.ok("releases", "promote", other.id)
    (folder / "iversen.md").write_text("The Iversen is a kettle with a copper lid.")
    ragloop.ok("ingest", folder)
    back, now = ragloop.ok("releases", "rollback").splitlines()
    serving = registry.production("default")
    assert back == f"release {first.id} serves default again"
    assert now.startswith(f"release {serving.id} serves default: the models of release {first.id}")
    assert (serving.answering, serving.embedder) == (first.answering, first.embedder)
    assert json.loads(ragloop.ok(*SEARCH))[0]["document"] == "iversen.md"
    assert "no earlier release" in ragloop.refused("releases", "rollback")
