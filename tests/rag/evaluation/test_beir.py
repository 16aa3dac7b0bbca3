import json
import stat

import pytest

from rag.errors import BadQuestions
from rag.evaluation.beir import CORPUS, QRELS, QUERIES, export_beir, import_beir
from rag.evaluation.metrics import relevant_positions
from rag.pairs.pair import Origin, QuestionType, Split
from storage.errors import StorageError
from tests.chunks import chunk_of
from tests.query_pairs import real_pair

CHUNKS = [
    chunk_of("The pump has a warranty\tof three years — “all parts”.", doc_id="a", index=0, document="pump.pdf"),
    chunk_of("It opens at nine.", doc_id="a", index=1, start=50, document="pump.pdf", page_no=2),
    chunk_of("Der Lüfter läuft.", doc_id="b", index=0, document="fan.txt"),
]
PAIRS = [
    real_pair(
        "How long?", id="q 1", answer="three years", doc_id="a", document="pump.pdf", answer_start=25, answer_end=36
    ),
    real_pair(
        "Läuft er?",
        id="q2",
        answer="läuft",
        doc_id="b",
        document="fan.txt",
        answer_start=11,
        answer_end=16,
        second=("a", 50, 60),
        question_type=QuestionType.COMPARATIVE,
        origin=Origin.SYNTHETIC,
        split=Split.EVALUATION,
        positive="Der Lüfter läuft.",
    ),
]


@pytest.fixture
def folder(tmp_path):
    """Somebody else's set: one query judged twice, one judged as found nowhere, one not judged."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": "d1", "title": "Pumps", "text": "They pump."}, {"_id": 2, "text": "Fans blow.", "metadata": {}}]
    queries = [{"_id": "q1", "text": "What blows?"}, {"_id": "q2", "text": "Why?"}, {"_id": "q3", "text": "Who?"}]
    write(folder / CORPUS, *map(json.dumps, corpus))
    write(folder / QUERIES, *map(json.dumps, queries))
    write(folder / QRELS, "query-id\tcorpus-id\tscore", "q1\td1\t1", "q1\t2\t2", "q2\td1\t0")
    return folder


def write(file, *lines):
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_a_set_comes_back_as_it_was(tmp_path):
    written = export_beir(tmp_path / "out", PAIRS, CHUNKS)
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.values()} == {0o600}
    again = import_beir(tmp_path / "out")
    assert (list(again.chunks), list(again.pairs)) == (CHUNKS, PAIRS)
    assert again.relevance == {"q 1": {"a:0": 1}, "q2": {"a:1": 1, "b:0": 1}}


def test_others_read_it_as_beir_says(tmp_path):
    export_beir(tmp_path, PAIRS, CHUNKS)
    corpus, queries = ([json.loads(line) for line in (tmp_path / name).open()] for name in (CORPUS, QUERIES))
    assert [(row["_id"], row["title"], row["text"]) for row in corpus] == [
        (chunk.chunk_id, chunk.document, chunk.text) for chunk in CHUNKS
    ]
    assert [(row["_id"], row["text"]) for row in queries] == [(pair.id, pair.anchor) for pair in PAIRS]
    assert (tmp_path / QRELS).read_text() == "query-id\tcorpus-id\tscore\nq 1\ta:0\t1\nq2\ta:1\t1\nq2\tb:0\t1\n"


def test_reads_a_set_of_somebody_else(folder):
    read = import_beir(folder)
    assert [(chunk.document, chunk.text) for chunk in read.chunks] == [("d1", "Pumps\nThey pump."), ("2", "Fans blow.")]
    pumps, fans = read.chunks
    (pair,) = read.pairs
    assert (pair.id, pair.anchor, pair.answer, pair.doc_id) == ("q1", "What blows?", "Fans blow.", fans.doc_id)
    assert (pair.split, pair.origin) == (Split.EVALUATION, Origin.REAL)
    assert read.relevance == {"q1": {pumps.chunk_id: 1, fans.chunk_id: 2}}
    assert relevant_positions(pair, read.chunks).tolist() == [1]


def test_reads_windows_line_ends_and_a_byte_order_mark(folder):
    for name in (CORPUS, QUERIES, QRELS):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n") + b"\r\n")
    assert len(import_beir(folder).pairs) == 1


def test_evidence_that_no_chunk_holds_is_not_exported(tmp_path):
    with pytest.raises(BadQuestions, match="question lost: no chunk holds its evidence: export the chunks"):
        export_beir(tmp_path / "out", [real_pair("Why?", id="lost", doc_id="c")], CHUNKS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [CORPUS, QUERIES, QRELS])
def test_a_file_that_is_not_there_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BadQuestions, match=f"{name}: No such file"):
        import_beir(folder)


OURS = CHUNKS[0].model_dump(mode="json", exclude={"text"}) | {"doc_id": "my/doc"}
BROKEN = [
    (CORPUS, "{", "line 3: is not JSON .*put one whole JSON object"),
    (CORPUS, '{"_id": "d1", "text": "x"}', 'line 3: _id "d1" is that of line 1: give each its own'),
    (CORPUS, '{"_id": "d3", "text": " "}', 'line 3: "d3" has no text: give it one'),
    (CORPUS, '{"text": "x"}', 'line 3: "_id": .*mend that field'),
    (CORPUS, '{"_id": "a\\tb", "text": "x"}', 'line 3: "_id": '),
    (CORPUS, '{"_id": "d3", "text": "x", "metadata": {"ragloop": {"doc_id": "d3"}}}', 'line 3: "document": '),
    (
        CORPUS,
        json.dumps({"_id": "d3", "text": "x", "metadata": {"ragloop": OURS | {"doc_id": "my/doc"}}}),
        "line 3: .*ours",
    ),
    (QUERIES, '{"_id": "q4", "text": "x", "metadata": {"ragloop": 1}}', None),  # not judged, so not looked at
    (QUERIES, '{"_id": "q4"}', 'line 4: "text": '),
    (QRELS, "q1\td1", "line 5: is not three columns: give query id, passage id and a whole score"),
    (QRELS, "q1 d1 1", "line 5: is not three columns"),
    (QRELS, "q1\td1\t0.5", "line 5: is not three columns"),
    (QRELS, "q1\td1\t-1", "line 5: is not three columns"),
    (QRELS, "q9\td1\t1", 'line 5: query "q9" is not in queries.jsonl: add it there'),
    (QRELS, "q1\td9\t1", 'line 5: passage "d9" is not in corpus.jsonl: add it there'),
    (QRELS, "q1\td1\t1", 'line 5: query "q1" and passage "d1" stand twice: leave one out'),
]


@pytest.mark.parametrize(("name", "line", "message"), BROKEN)
def test_a_broken_line_is_named_with_the_remedy(folder, name, line, message):
    with (folder / name).open("a") as file:
        file.write(line + "\n")
    if message is None:
        assert import_beir(folder).pairs
        return
    with pytest.raises(BadQuestions, match=f"{name} {message}.*; nothing was imported") as caught:
        import_beir(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: is not there: begin with the header"),
        (b"q1\td1\t1\n", "line 1: is not the header"),
        (b"query-id\tcorpus-id\tscore\n", "finds no passage relevant to any query"),
        (b"query-id\tcorpus-id\tscore\nq1\td1\t0\n", "finds no passage relevant to any query"),
        (b"query-id\tcorpus-id\tscore\nq\xff\td1\t0\n", "line 2: is not UTF-8"),
    ],
)
def test_judgements_that_say_nothing_are_refused(folder, content, message):
    (folder / QRELS).write_bytes(content)
    with pytest.raises(BadQuestions, match=f"{QRELS} {message}"):
        import_beir(folder)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot export to"):
        export_beir(tmp_path / "file", PAIRS, CHUNKS)
