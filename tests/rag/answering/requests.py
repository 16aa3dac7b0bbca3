"""Requests for generators."""

from rag.answering.generator import Passage, Request
from rag.retrieval.retriever import Hit
from tests.chunks import chunk_of

BREAD = "The bakery opens at six in the morning on weekdays. It closes at noon."
CHEESE = "Cheese is sold on Fridays, from a cart in front of the church. Bring coins."


def request_of(*texts: str, question: str = "When does the bakery open?", **fields: object) -> Request:
    """Return a request with these passages, each of a document of its own: 1.txt and so on."""
    hits = [Hit(rank=i, score=1.0, chunk=chunk_of(t, doc_id=f"{i}.txt"), passage=t) for i, t in enumerate(texts, 1)]
    passages = tuple(Passage(number=hit.rank, hit=hit) for hit in hits)
    return Request.model_validate({"question": question, "standing": question, "passages": passages, **fields})
