"""The home folder gives nothing away, and nothing altered in it is believed."""

import json

import pytest

from tests.company import write_company, write_questions
from tests.e2e.conftest import Ragloop

SENTENCES = (
    b"stands at least 10 centimetres from any wall",  # a document
    b"How far from the wall is the outdoor unit",  # a question
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A home whose flows ran on temporary servers, which keep their own state in it."""
    ragloop = Ragloop(tmp_path_factory.mktemp("alone"))
    ragloop.ok("ingest", write_company(ragloop.folder / "documents"))
    ragloop.ok("pairs", "import", write_questions(ragloop.folder / "questions.jsonl"))
    ragloop.ok("pairs", "stats")
    ragloop.ok("evaluate")
    return ragloop


def test_no_sentence_of_a_document_or_question_is_readable_in_the_home(alone):
    assert (alone.home / "prefect" / "prefect.db").exists()
    files = [path for path in alone.home.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        data = path.read_bytes()
        assert not any(sentence in data for sentence in SENTENCES), path


def test_a_flipped_byte_in_a_sealed_file_is_refused_by_name(company):
    index = json.loads(company.ok("releases", "show", "production", "--json"))["index"]["digest"]
    folder = company.home / "artifacts" / "index" / index
    names = sorted(path.name for path in folder.glob("*.encrypted"))
    assert {"faiss_index.encrypted", "metadata.encrypted", "doc_versions.encrypted"} <= set(names)
    for name in names:
        path = folder / name
        whole = path.read_bytes()
        place = len(whole) // 2
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert name in company.refused("search", "anything")
        path.write_bytes(whole)
    company.ok("search", "anything")
