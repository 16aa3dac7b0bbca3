"""Evaluation sets in the format of BEIR (Thakur et al. 2021): a corpus, queries, and what is relevant to which."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rag.corpus.document import Chunk
from rag.errors import BadQuestions
from rag.evaluation.metrics import ChunksByDocument
from rag.pairs.json_lines import JsonLines, file_lines
from rag.pairs.pair import Origin, QueryPair, QuestionType, Split
from storage.plain_files import write_plain_files

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels/test.tsv"
_COLUMNS = "query-id\tcorpus-id\tscore"
_OWN = "ragloop"
"""Under `metadata`: what of a line only ragloop can read."""
_NOTHING = "nothing was imported"
_ADD = "add it there, or leave the line out"
_ID, _HEX = 32, re.compile("[0-9a-f]+")
"""Hex digits of a document's id."""
_Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\t\r\n]+$")]


class _Entry(BaseModel):
    """A line of BEIR's corpus or queries."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: _Id = Field(alias="_id")
    text: str
    title: str | None = None
    metadata: dict[str, Any] | None = None


class RetrievalSet(BaseModel):
    """Questions, the passages to find them in, and which are relevant to which."""

    model_config = ConfigDict(frozen=True)

    chunks: tuple[Chunk, ...]
    pairs: tuple[QueryPair, ...]
    relevance: dict[str, dict[str, int]]
    """By the pair's id and the chunk's id, how relevant: 1 or more, or 0 where somebody has judged that it is not."""


def export_beir(folder: Path, pairs: Sequence[QueryPair], chunks: Sequence[Chunk]) -> dict[str, Path]:
    """Write `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv`, plain and of mode 0600; return their paths by name.

    A chunk is relevant if it is to the retrieval metrics. What ragloop knows besides stands under `metadata`.

    :raises BadQuestions: if no chunk is relevant to some question, which no search could answer.
    :raises StorageError: if the folder cannot be written.
    """
    searched = ChunksByDocument(chunks)
    relevant = {pair.id: searched.relevant_positions(pair) for pair in pairs}
    for id_, positions in relevant.items():
        if not len(positions):
            raise BadQuestions(f"question {id_}: no chunk holds its evidence: export the chunks of the same documents")
    qrels = (f"{id_}\t{chunks[i].chunk_id}\t1\n" for id_, positions in relevant.items() for i in positions)
    written = write_plain_files(folder, {CORPUS: map(_corpus_line, chunks), QUERIES: map(_query_line, pairs)})
    return written | write_plain_files((folder / QRELS).parent, {Path(QRELS).name: _with_header(qrels)})


def import_beir(folder: Path) -> RetrievalSet:
    """Read what `export_beir` or somebody else wrote; queries that `qrels/test.tsv` does not judge are left out.

    Another's passage becomes a document of one chunk, with an id such as ours have, and the evidence of a query is its
    most relevant passage, whole.

    :raises BadQuestions: with the number of the line that cannot be used.
    """
    chunks = _read_corpus(folder / CORPUS)
    queries = _read_entries(folder / QUERIES)
    relevance = _read_qrels(folder / QRELS, chunks.keys(), queries.keys())
    pairs = [
        _pair(read, line, query, [chunks[id_] for id_ in _by_relevance(relevance[query.id])])
        for read, line, query in queries.values()
        if any(relevance.get(query.id, {}).values())
    ]
    if not pairs:
        raise BadQuestions(f"{folder / QRELS} finds no passage relevant to any query: give one a score above 0")
    return RetrievalSet(
        chunks=tuple(chunks.values()),
        pairs=tuple(pairs),
        relevance={
            pair.id: {chunks[id_].chunk_id: score for id_, score in relevance[pair.id].items()} for pair in pairs
        },
    )


def _corpus_line(chunk: Chunk) -> str:
    own = chunk.model_dump(mode="json", exclude={"text"})
    return _line({"_id": chunk.chunk_id, "title": chunk.document, "text": chunk.text, "metadata": {_OWN: own}})


def _query_line(pair: QueryPair) -> str:
    own = pair.model_dump(mode="json", exclude={"id", "anchor"})
    return _line({"_id": pair.id, "text": pair.anchor, "metadata": {_OWN: own}})


def _line(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False) + "\n"


def _with_header(lines: Iterable[str]) -> Iterator[str]:
    yield f"{_COLUMNS}\n"
    yield from lines


_Entries = dict[str, tuple[JsonLines, int, _Entry]]


def _read_entries(file: Path) -> _Entries:
    """Return a file's entries by id, each with its line."""
    read = JsonLines(str(file), file_lines(file), _NOTHING)
    entries: _Entries = {}
    for line, fields in read:
        entry = read.parse(_Entry, fields, line)
        if entry.id in entries:
            raise read.broken(line, f'_id "{entry.id}" is that of line {entries[entry.id][1]}', "give each its own")
        if not entry.text.strip() and not (entry.title or "").strip():
            raise read.broken(line, f'"{entry.id}" has no text', "give it one, or leave it out")
        entries[entry.id] = (read, line, entry)
    return entries


def _read_corpus(file: Path) -> dict[str, Chunk]:
    return {id_: _chunk(read, line, entry) for id_, (read, line, entry) in _read_entries(file).items()}


def _chunk(read: JsonLines, line: int, entry: _Entry) -> Chunk:
    own = (entry.metadata or {}).get(_OWN)
    if own is not None:
        chunk = read.parse(Chunk, {**_object(read, line, own), "text": entry.text}, line)
        if not _HEX.fullmatch(chunk.doc_id):
            raise read.broken(line, f'metadata "{_OWN}" has a doc_id that is not ours', "leave it as it was exported")
        return chunk
    text = f"{entry.title or ''}\n{entry.text}".strip()
    return Chunk(
        doc_id=hashlib.sha256(entry.id.encode()).hexdigest()[:_ID],
        document=entry.id,
        page_no=1,
        chunk_index=0,
        char_start=0,
        char_end=len(text),
        n_tokens=len(text.split()),
        text=text,
    )


def _pair(read: JsonLines, line: int, query: _Entry, relevant: Sequence[Chunk]) -> QueryPair:
    """Return a query as a pair. `relevant` begins with the passage that is most so."""
    own = (query.metadata or {}).get(_OWN)
    if own is not None:
        return read.parse(QueryPair, {**_object(read, line, own), "id": query.id, "anchor": query.text}, line)
    best = relevant[0]
    return QueryPair(
        id=query.id,
        anchor=query.text.strip(),
        answer=best.text,
        doc_id=best.doc_id,
        document=best.document,
        answer_start=best.char_start,
        answer_end=best.char_end,
        question_type=QuestionType.FACTUAL,
        origin=Origin.REAL,
        split=Split.EVALUATION,
        group=best.doc_id,
    )


def _object(read: JsonLines, line: int, own: object) -> dict[str, object]:
    if not isinstance(own, dict):
        raise read.broken(line, f'metadata "{_OWN}" is not an object', "leave it as it was exported, or out")
    return own


def _by_relevance(scores: Mapping[str, int]) -> list[str]:
    """Return the ids of what is relevant, the most so first."""
    return sorted((id_ for id_, score in scores.items() if score), key=lambda id_: -scores[id_])


def _read_qrels(file: Path, passages: Set[str], queries: Set[str]) -> dict[str, dict[str, int]]:
    """Return the scores by query and passage."""
    relevance: dict[str, dict[str, int]] = {}
    for line, row in _rows(file):
        columns = row.split("\t")
        if len(columns) != 3 or not columns[2].isdecimal():
            remedy = "give query id, passage id and a whole score, parted by tabs"
            raise _broken(file, line, "is not three columns", remedy)
        query, passage, score = columns
        if query not in queries:
            raise _broken(file, line, f'query "{query}" is not in {QUERIES}', _ADD)
        if passage not in passages:
            raise _broken(file, line, f'passage "{passage}" is not in {CORPUS}', _ADD)
        if passage in relevance.setdefault(query, {}):
            raise _broken(file, line, f'query "{query}" and passage "{passage}" stand twice', "leave one out")
        relevance[query][passage] = int(score)
    return relevance


def _rows(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines after the header, each with its number; blank ones are skipped."""
    header = False
    for line, content in enumerate(file_lines(file), 1):
        try:
            row = content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise _broken(file, line, "is not UTF-8", "save the file as UTF-8") from None
        if not header:
            if row.removeprefix("\ufeff") != _COLUMNS:
                raise _broken(file, line, f"is not the header {_COLUMNS!r}", "begin with it")
            header = True
        elif row.strip():
            yield line, row
    if not header:
        raise _broken(file, 1, "is not there", f"begin with the header {_COLUMNS!r}")


def _broken(file: Path, line: int, what: str, remedy: str) -> BadQuestions:
    return BadQuestions(f"{file} line {line}: {what}: {remedy}; {_NOTHING}")
