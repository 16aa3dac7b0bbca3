"""Pairs as plain files that a person asked for."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rag.corpus.document import Chunk
from rag.pairs.pair import Origin, QueryPair, Split
from storage.plain_files import write_plain_files


def export_pairs(
    folder: Path, pairs: Sequence[QueryPair], chunks: Sequence[Chunk], texts: Mapping[str, str]
) -> dict[str, Path]:
    """Write the pairs and the corpus as four plain files of mode 0600; return their paths by file name.

    Lines of real pairs can be imported again. `texts` holds the documents' extracted text by document id.

    :raises StorageError: if the folder cannot be written.
    """
    lines = dict(zip((pair.id for pair in pairs), pair_lines(pairs, chunks, texts), strict=True))
    contents: dict[str, Iterable[str]] = {
        "qa_pairs.jsonl": (lines[pair.id] for pair in pairs),
        "synthetic_data.jsonl": (lines[pair.id] for pair in pairs if pair.origin is Origin.SYNTHETIC),
        "evaluation_set.jsonl": (lines[pair.id] for pair in pairs if pair.split is Split.EVALUATION),
        "domain_corpus.txt": _passages(chunks),
    }
    return write_plain_files(folder, contents)


def pair_lines(pairs: Iterable[QueryPair], chunks: Iterable[Chunk], texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a JSON line for each pair."""
    places = _ChunkFinder(chunks)
    for pair in pairs:
        yield json.dumps(_fields(pair, places, texts), ensure_ascii=False) + "\n"


class _ChunkFinder:
    """The chunk that holds most of a span."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._by_document: dict[str, list[Chunk]] = {}
        for chunk in chunks:
            self._by_document.setdefault(chunk.doc_id, []).append(chunk)

    def index(self, doc_id: str, start: int, end: int) -> int | None:
        """Return the `chunk_index` of the chunk with most of the span, the first of equals; None if none has any."""

        def overlap(chunk: Chunk) -> int:
            return min(chunk.char_end, end) - max(chunk.char_start, start)

        best = max(self._by_document.get(doc_id, ()), key=overlap, default=None)
        return best.chunk_index if best is not None and overlap(best) > 0 else None


def _fields(pair: QueryPair, places: _ChunkFinder, texts: Mapping[str, str]) -> dict[str, object]:
    text = texts.get(pair.doc_id, "")
    return {
        "id": pair.id,
        "question": pair.anchor,
        "answer": pair.answer,
        "document": pair.document,
        "answer_start": pair.answer_start,
        "answer_end": pair.answer_end,
        "type": pair.question_type.value,
        "origin": pair.origin.value,
        "split": pair.split.value,
        "group": pair.group,
        "chunk_index": places.index(pair.doc_id, pair.answer_start, pair.answer_end),
        "evidence": text[pair.answer_start : pair.answer_end],
        "positive": pair.positive,
        "negatives": list(pair.negatives),
    }


def _passages(chunks: Iterable[Chunk]) -> Iterator[str]:
    for chunk in chunks:
        yield chunk.text.strip() + "\n\n"
