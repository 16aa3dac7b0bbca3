"""The commands as a user types them."""

import json
import subprocess
import sys

from tests.e2e.conftest import ROOT

QUESTION = "How long is the warranty of the Dogel?"


def results(ragloop, lines, *options):
    questions, out = ragloop.folder / "ask.jsonl", ragloop.folder / "run.jsonl"
    questions.write_text("\n".join(json.dumps(line) for line in lines))
    ragloop.ok("search", "--questions", questions, "--out", out, *options)
    return {row["question_id"]: row["results"] for row in map(json.loads, out.read_text().splitlines())}


def test_help_imports_neither_torch_nor_prefect():
    code = """
import sys
from app.cli import app
try:
    app(args=["--help"])
except SystemExit:
    pass
sys.exit(any(name in sys.modules for name in ("torch", "prefect", "sqlmodel")))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False).returncode == 0


def test_every_command_has_help(ragloop):
    for command in (
        "ingest documents forget retrain search ask evaluate doctor pairs releases up status deploy sweep".split()
        + ["chat", "chat extract", "chat train", "pairs import", "pairs export", "pairs stats", "pairs dropped"]
        + ["releases list", "releases show", "releases promote", "releases rollback", "monitor", "report"]
    ):
        assert "Usage" in ragloop.ok(*command.split(), "--help")


def test_a_file_of_questions_gives_a_line_each_with_spans_of_the_documents(company):
    found = results(company, [{"id": "a", "question": QUESTION}, {"id": 7, "question": "holiday"}], "--top-k", 3)
    assert set(found) == {"a", "7"}
    first = found["a"][0]
    assert set(first) == {"document", "chunk_index", "char_start", "char_end", "score"}
    text = (company.folder / "documents" / "dogel.md").read_text()
    assert first["document"] == "dogel.md"
    assert "Founder's cover on the Dogel" in text[first["char_start"] : first["char_end"]]
    assert len(found["a"]) == 3


def test_a_question_can_be_kept_to_one_document_and_carry_its_history(company):
    found = results(
        company,
        [
            {"id": "kept", "question": QUESTION, "restrict_to": "alder.md"},
            {"id": "follow", "question": "and its warranty?", "history": ["How loud is the Fyrre?"]},
            {
                "id": "chat",
                "question": "its warranty?",
                "history": [{"role": "user", "content": "How loud is the Birk?"}],
            },
        ],
        "--release",
        "base",
    )
    assert {hit["document"] for hit in found["kept"]} == {"alder.md"}
    assert found["follow"][0]["document"] == "fyrre.md"
    assert found["chat"][0]["document"] == "birk.md"


def test_one_question_is_answered_in_the_terminal_and_as_json(company):
    assert "dogel.md" in company.ok("search", QUESTION)
    hits = json.loads(company.ok("search", QUESTION, "--document", "elmen.md", "--json"))
    assert {hit["document"] for hit in hits} == {"elmen.md"}


def test_documents_and_releases_are_listed(company):
    documents = json.loads(company.ok("documents", "--json"))
    assert len(documents) == 8
    assert documents[0]["n_chunks"] >= 1
    assert json.loads(company.ok("releases", "list", "--json"))[-1]["id"] == 1
    assert json.loads(company.ok("releases", "show", "1", "--json"))["lineage"]["corpus"]["kind"] == "corpus"


def test_pairs_are_counted_and_exported_as_private_files(company):
    counts = {row["what"]: row["pairs"] for row in json.loads(company.ok("pairs", "stats", "--json"))}
    assert sum(n for what, n in counts.items() if what.endswith(", real")) == 48
    folder = company.folder / "export"
    company.ok("pairs", "export", folder)
    names = {"qa_pairs.jsonl", "synthetic_data.jsonl", "evaluation_set.jsonl", "domain_corpus.txt"}
    assert {path.name for path in folder.iterdir()} == names
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert len((folder / "qa_pairs.jsonl").read_text().splitlines()) >= 48


def test_the_same_questions_again_are_duplicates(company):
    told = json.loads(company.ok("pairs", "import", company.folder / "questions.jsonl", "--json"))
    assert told == {"imported": 0, "duplicates": 48, "refused": []}


def test_evaluate_tells_origins_apart(company):
    told = json.loads(company.ok("evaluate", "--json"))
    assert {row["origin"] for row in told["rows"]} == {"real", "synthetic"}
    assert told["left_out"] == 0 and 0 < told["general_hit1"] <= 1


def test_doctor_finds_nothing_missing(company):
    assert {row["state"] for row in json.loads(company.ok("doctor", "--json"))} <= {"ok", "note"}


def test_a_collection_knows_nothing_of_another(company):
    other = company.folder / "other.txt"
    other.write_text("The moon is a quiet place with very little weather to speak of.")
    company.ok("ingest", other, "--collection", "moon")
    assert {h["document"] for h in json.loads(company.ok("search", QUESTION, "-c", "moon", "--json"))} == {"other.txt"}
    assert len(json.loads(company.ok("documents", "--json"))) == 8
