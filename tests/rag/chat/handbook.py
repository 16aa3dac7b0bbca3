"""Written questions about a handbook, and the chunks and texts that they are from."""

import re

from rag.chat.extraction import Fact, extract_facts
from rag.corpus.document import Chunk, DocumentText, Page
from rag.pairs.pair import QuestionType
from rag.pairs.writer import SyntheticQuestion
from tests.chunks import chunk_of

TARN = {
    "For how long does the Tarn 200 keep the spate log?": "The Tarn 200 keeps the spate log for five years.",
    "How many sieves does the Tarn 200 have?": "The Tarn 200 has two sieves, a coarse and a fine one.",
    "What must never be put behind the yellow card?": "A photograph must never be put behind the yellow card.",
    "What happens if the sieve is clogged?": "If the sieve is clogged, the lamp shows L-14 until it is rinsed.",
}
WARDEN = {
    "How soon does the Warden 3 send a wicket?": "The Warden 3 sends a wicket within three minutes of the fault.",
    "Where can the Warden 3 be mounted?": "The Warden 3 can be mounted on any inner wall of the house.",
    "warden cable level": "Screw the cradle on with the level and lead the cable through the middle.",
}
TEXTS = {"tarn-200-guide.md": " ".join(TARN.values()), "warden-3-guide.md": " ".join(WARDEN.values())}
TITLES = {"tarn-200-guide.md": "Tarn 200", "warden-3-guide.md": "Warden 3"}


def written(question: str, answer: str, document: str = "tarn-200-guide.md", text: str | None = None, **fields: object):
    """Return a written question whose answer stands in a document, whose name is its id."""
    start = (text or TEXTS[document]).index(answer)
    defaults = {
        "question": question,
        "answer": answer,
        "doc_id": document,
        "document": document,
        "chunk_ids": (f"{document}:0",),
        "answer_start": start,
        "answer_end": start + len(answer),
        "question_type": QuestionType.FACTUAL,
        "form": "object",
    }
    return SyntheticQuestion(**{**defaults, **fields})


def all_written() -> list[SyntheticQuestion]:
    """Return the questions of the handbook."""
    pages = ((TARN, "tarn-200-guide.md"), (WARDEN, "warden-3-guide.md"))
    return [written(question, answer, document) for page, document in pages for question, answer in page.items()]


def all_facts(kept_out: float = 0.0, seed: int = 13) -> list[Fact]:
    """Return its facts."""
    return extract_facts(all_written(), TEXTS, kept_out, seed)


def all_chunks() -> list[Chunk]:
    """Return its two chunks."""
    return [chunk_of(text, document) for document, text in TEXTS.items()]


def document_text(text: str, name: str, **metadata: str) -> DocumentText:
    """Return a document of one page."""
    page = Page(page_no=1, char_start=0, char_end=len(text))
    return DocumentText(name=name, media_type="text/markdown", text=text, pages=(page,), metadata=metadata)


def said(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"\w+", text.lower())
