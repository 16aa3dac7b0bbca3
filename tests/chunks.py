"""Chunks for tests."""

from rag.corpus.document import Chunk


def chunk_of(text: str = "x", doc_id: str = "d", index: int = 0, start: int = 0, **fields: object) -> Chunk:
    """Return a chunk of a document on its first page, as long as its text, with other fields as given."""
    defaults: dict[str, object] = {
        "doc_id": doc_id,
        "document": doc_id,
        "page_no": 1,
        "chunk_index": index,
        "char_start": start,
        "char_end": start + len(text),
        "n_tokens": 9,
        "text": text,
    }
    return Chunk.model_validate({**defaults, **fields})
