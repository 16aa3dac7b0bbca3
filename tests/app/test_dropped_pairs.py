import json

import pytest
from typer.testing import CliRunner

from app.cli import app
from rag.config import ChunkingConfig
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from tests.company import write_company, write_questions

REPEATED = {
    "question": "How far from the wall is the outdoor unit of the Alder please?",
    "answer": "The lung of the Alder stands at least 10 centimetres from any wall.",
    "document": "alder.md",
}


@pytest.fixture
def dropped(space, tmp_path):
    """Run `ragloop pairs dropped` in a home where one question is asked twice."""
    intake = seal_uploads(space.artifacts, space.database, "default", [str(write_company(tmp_path / "documents"))])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, ChunkingConfig())
    file = write_questions(tmp_path / "questions.jsonl")
    file.write_text(f"{file.read_text()}\n{json.dumps(REPEATED)}")
    known = load_alignable(space.artifacts, space.database, "default")
    import_questions(space.database, space.sealer, "default", read_questions(file), known)
    return lambda *options: CliRunner().invoke(app, ["pairs", "dropped", "--profile", "smoke", *options])


def test_dropped_pairs_are_shown_with_the_filter_and_what_it_found(dropped):
    rows = json.loads(dropped("--json", "--filter", "near duplicates").stdout)
    (row,) = [row for row in rows if row["origin"] == "real"]
    assert row["filter"] == "near duplicates"
    assert "Alder" in row["question"] and "outdoor unit of the Alder" in row["what_was_found"]
    assert json.loads(dropped("--json", "--filter", "no longer in documents").stdout) == []


def test_a_filter_that_is_not_there_is_refused_with_those_that_are(dropped):
    refused = dropped("--filter", "colour")
    assert refused.exit_code != 0
    assert "near_duplicates" in str(refused.exception)
