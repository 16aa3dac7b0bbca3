import json
import stat

import pytest

from rag.corpus.document import Chunk
from rag.pairs.export import export_pairs
from rag.pairs.pair import Origin, Split
from rag.pairs.questions_file import read_questions
from storage.errors import StorageError
from tests.chunks import chunk_of
from tests.query_pairs import real_pair

TEXT = "The lung stands outside.\nThe hearth stands inside."


def chunk(index: int, start: int, end: int) -> Chunk:
    return chunk_of(TEXT[start:end], "d1", index, start, document="d1.txt", n_tokens=5)


@pytest.fixture
def exported(tmp_path):
    pairs = [
        real_pair("Where is the hearth?", id="a", answer_start=25, answer_end=50),
        real_pair("lung outside", id="b", origin=Origin.SYNTHETIC),
        real_pair("Wo läuft es?", id="c", split=Split.EVALUATION),
    ]
    return export_pairs(tmp_path / "new" / "folder", pairs, [chunk(0, 0, 24), chunk(1, 25, 50)], {"d1": TEXT})


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_each_file_holds_its_pairs(exported):
    assert [line["id"] for line in lines(exported["qa_pairs.jsonl"])] == ["a", "b", "c"]
    assert [line["id"] for line in lines(exported["synthetic_data.jsonl"])] == ["b"]
    assert [line["id"] for line in lines(exported["evaluation_set.jsonl"])] == ["c"]
    assert exported["domain_corpus.txt"].read_text() == "The lung stands outside.\n\nThe hearth stands inside.\n\n"


def test_a_line_names_the_chunk_and_quotes_the_evidence(exported):
    first = lines(exported["qa_pairs.jsonl"])[0]
    assert first["chunk_index"] == 1 and first["evidence"] == "The hearth stands inside."


def test_files_are_for_their_owner_only_and_nothing_else_is_left(exported):
    folder = exported["qa_pairs.jsonl"].parent
    assert {path.name for path in folder.iterdir()} == set(exported)
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in exported.values())


def test_what_was_exported_can_be_imported(exported):
    assert [question.question for question in read_questions(exported["qa_pairs.jsonl"])][2] == "Wo läuft es?"


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot export"):
        export_pairs(tmp_path / "file", [], [], {})
