"""A document is forgotten, as a user types it; then the home is looked through."""

import json

from tests.company import write_company, write_questions
from tests.e2e.conftest import Ragloop

WORDS = (b"lung of the Birk", b"muster of the Birk", b"valley number 1 ")


def test_a_forgotten_document_is_found_by_nothing_any_more(tmp_path):
    ragloop = Ragloop(tmp_path)  # without a server: what its flows leave is looked through too
    documents = write_company(ragloop.folder / "documents")
    ragloop.ok("ingest", documents)
    ragloop.ok("pairs", "import", write_questions(ragloop.folder / "questions.jsonl"))
    ragloop.ok("pairs", "export", ragloop.folder / "before")
    assert any(word in (ragloop.folder / "before" / "qa_pairs.jsonl").read_bytes() for word in WORDS)

    assert "no document 'nobody.md' in the collection 'default'" in ragloop.refused("forget", "nobody.md", "--yes")
    assert "add --yes" in ragloop.refused("forget", "birk.md")
    done = json.loads(ragloop.ok("forget", "birk.md", "--yes", "--json"))

    assert (done["pairs"], done["withdrawn"], done["releases"], done["serving"]) == (6, [1], [], 2)
    assert {row["document"] for row in json.loads(ragloop.ok("search", "the lung", "--json", "--top-k", 50))} == {
        row["name"] for row in json.loads(ragloop.ok("documents", "--json"))
    }
    assert "withdrawn" in ragloop.ok("releases", "list")
    assert "held a document that was deleted" in ragloop.refused("releases", "rollback")
    ragloop.ok("pairs", "export", ragloop.folder / "after")
    looked_at = [*ragloop.home.rglob("*"), *(ragloop.folder / "after").iterdir()]
    assert not [path for path in looked_at if path.is_file() and any(word in path.read_bytes() for word in WORDS)]
