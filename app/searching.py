"""Search one question or a file of them."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rag.pairs.questions_file import SearchQuestion
from rag.retrieval.query import Query
from rag.retrieval.retriever import Hit, Retriever


def as_query(question: SearchQuestion, documents: tuple[str, ...] = ()) -> Query:
    """Turn a line of a questions file into a search; of the history, what the person said counts.

    `documents` restrict a line that names none itself.
    """
    return Query(
        id=question.id,
        question=question.question,
        history=tuple(turn.content for turn in question.history if turn.role == "user"),
        restrict_to=(question.restrict_to,) if question.restrict_to else documents,
    )


def hit_fields(hit: Hit) -> dict[str, Any]:
    """Return what a run file says of a hit."""
    chunk = hit.chunk
    return {
        "document": chunk.document,
        "chunk_index": chunk.chunk_index,
        "char_start": chunk.char_start,
        "char_end": chunk.char_end,
        "score": round(hit.score, 6),
    }


def hit_facts(hit: Hit) -> dict[str, Any]:
    """Return all that is known of a hit, for programs."""
    chunk = hit.chunk
    place = {"rank": hit.rank, "doc_id": chunk.doc_id, "page": chunk.page_no}
    return place | hit_fields(hit) | {"passage": hit.passage}


def hit_row(hit: Hit) -> dict[str, Any]:
    """Return a hit as a row for people."""
    text = " ".join(hit.passage.split())
    return {
        "rank": hit.rank,
        "score": f"{hit.score:.3f}",
        "document": hit.chunk.document,
        "page": hit.chunk.page_no,
        "passage": text if len(text) <= 240 else f"{text[:237]}...",
    }


def write_run(out: Path, retriever: Retriever, queries: Sequence[Query], top_k: int) -> None:
    """Search every question and write a line each; the file is whole or not there."""
    lines = (_run_line(retriever, query, top_k) for query in tqdm(queries, desc="searching", delay=2, disable=None))
    _write_lines(out, lines)


def _run_line(retriever: Retriever, query: Query, top_k: int) -> str:
    hits = [hit_fields(hit) for hit in retriever.search(query, top_k)]
    return json.dumps({"question_id": query.id, "results": hits})


def _write_lines(out: Path, lines: Iterable[str]) -> None:
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
