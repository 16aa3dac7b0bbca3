"""A passage in its place: its boxes on PDF pages, a page as a picture with it marked, and the text around it."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from rag.corpus.artifact import find_document, find_upload, load_text, load_upload
from rag.corpus.boxes import Box, pdf_boxes
from rag.corpus.files import MEDIA_TYPES
from rag.corpus.parsing import parse_apart
from rag.corpus.pictures import PagePicture, pdf_picture
from rag.errors import DocumentNotFound
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.database import Database
from storage.tables import DocumentRow

Span = tuple[str, int, int]
"""A document's id, and character offsets into its extracted text; the last is exclusive."""
_PDF = MEDIA_TYPES[".pdf"]


class Excerpt(BaseModel):
    """Part of a document's extracted text."""

    model_config = ConfigDict(frozen=True)

    document: str
    media_type: str
    page_no: int
    """The page on which the passage starts; 1 for a format without pages."""
    char_start: int
    char_end: int
    """Of the passage; exclusive, and no more than the document has."""
    n_chars: int
    """That the document has."""
    before: str
    passage: str
    after: str


def document_boxes(
    store: ArtifactStore, database: Database, collection: str, spans: Sequence[Span]
) -> list[tuple[Box, ...]]:
    """Return the boxes of each span, one a line; none for other formats, and for documents that are gone."""
    found: dict[Span, tuple[Box, ...]] = {}
    with database.reading() as session:
        query = select(DocumentRow).where(DocumentRow.collection == collection)
        documents = session.exec(query.where(col(DocumentRow.id).in_({span[0] for span in spans}))).all()
    for row in documents:
        original = find_upload(store, row.content_sha256)
        if row.media_type == _PDF and original is not None:
            text, data = load_text(store, ArtifactRef.parse(row.artifact_uri)), load_upload(store, original)
            asked = [span for span in spans if span[0] == row.id]
            boxes = parse_apart(row.name, pdf_boxes, data, text, [span[1:] for span in asked])
            found |= dict(zip(asked, boxes, strict=True))
    return [found.get(span, ()) for span in spans]


def page_picture(
    store: ArtifactStore,
    database: Database,
    collection: str,
    doc_id: str,
    page_no: int,
    scale: float,
    span: tuple[int, int] | None = None,
) -> PagePicture:
    """Return a page of a PDF as a PNG, marked where it holds a span of the document's extracted text.

    It is made in memory: neither the page nor the picture touches the disk.

    :param page_no: from 1.
    :param scale: pixels a point (1/72 inch); a very large page is drawn smaller.
    :param span: character offsets, the last exclusive.
    :raises DocumentNotFound: if the collection has no such document, or that no such page to show.
    :raises UnreadableDocument: if the page cannot be drawn.
    """
    row = find_document(database, collection, doc_id)
    original = find_upload(store, row.content_sha256)
    if row.media_type != _PDF or original is None:
        why = "its original is gone" if row.media_type == _PDF else "it is no PDF"
        raise DocumentNotFound(f"{row.name} has no pages to show, since {why}: ask for its text instead")
    if not 1 <= page_no <= row.n_pages:
        raise DocumentNotFound(f"{row.name} has no page {page_no}: give one from 1 to {row.n_pages}")
    text = load_text(store, ArtifactRef.parse(row.artifact_uri)) if span else None
    return parse_apart(row.name, pdf_picture, load_upload(store, original), page_no, scale, text, span)


def excerpt(
    store: ArtifactStore, database: Database, collection: str, doc_id: str, span: tuple[int, int], around: int
) -> Excerpt:
    """Return a span of a document's extracted text, and up to so many characters on each side of it.

    :param span: character offsets, the last exclusive.
    :raises DocumentNotFound: if the collection has no such document, or that ends before the span.
    """
    row = find_document(database, collection, doc_id)
    read = load_text(store, ArtifactRef.parse(row.artifact_uri))
    start, end = span[0], min(span[1], len(read.text))
    if start >= end:
        raise DocumentNotFound(f"{row.name} has {len(read.text)} characters: nothing stands at {start} to {span[1]}")
    return Excerpt(
        document=row.name,
        media_type=row.media_type,
        page_no=max((page.page_no for page in read.pages if page.char_start <= start), default=1),
        char_start=start,
        char_end=end,
        n_chars=len(read.text),
        before=read.text[max(0, start - around) : start],
        passage=read.text[start:end],
        after=read.text[end : end + around],
    )
