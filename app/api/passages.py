"""A passage in its place: boxes on a PDF page, the page as a picture with it marked, and the text around it."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.api.dependencies import CollectionName, CollectionReader
from rag.corpus.boxes import Box
from rag.corpus.places import Excerpt, document_boxes, excerpt, page_picture

routes = APIRouter(prefix="/collections/{collection}", tags=["documents"])

MAX_CHARS = 20_000
"""Of a passage, and of what is shown on each side of it."""
_MOST = 2**31 - 1

DocumentId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="As a citation has it in `doc_id`.")]
Start = Annotated[int, Query(ge=0, le=_MOST, description="A citation's `char_start`.")]
End = Annotated[int, Query(ge=1, le=_MOST, description="A citation's `char_end`.")]
PageNo = Annotated[int, Path(ge=1, le=_MOST, description="From 1.")]
Scale = Annotated[float, Query(ge=0.25, le=4, allow_inf_nan=False, description="Pixels a point, 1/72 inch.")]
Around = Annotated[int, Query(ge=0, le=MAX_CHARS, description="Characters on each side of the passage, at most.")]


class Boxes(BaseModel):
    """Where a span stands."""

    boxes: tuple[Box, ...] = Field(description="One a line; empty if the format has no pages of fixed layout.")


@routes.get("/boxes/{doc_id}")
def boxes(collection: CollectionName, doc_id: DocumentId, start: Start, end: End, caller: CollectionReader) -> Boxes:
    """Say where on the page a citation's span (`char_start`, `char_end`) stands, to mark it there."""
    space = caller.service.space
    return Boxes(boxes=document_boxes(space.artifacts, space.database, collection, [(doc_id, start, end)])[0])


@routes.get(
    "/documents/{doc_id}/pages/{page_no}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
def page(
    collection: CollectionName,
    doc_id: DocumentId,
    page_no: PageNo,
    caller: CollectionReader,
    scale: Scale = 2.0,
    start: Start | None = None,
    end: End | None = None,
) -> Response:
    """Draw a page of a PDF; what it holds of a citation's span is marked, if that is given."""
    if (start is None) != (end is None):
        raise HTTPException(422, "give both start and end of a passage, or neither")
    span = None if start is None or end is None else _span(start, end)
    space = caller.service.space
    drawn = page_picture(space.artifacts, space.database, collection, doc_id, page_no, scale, span)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}  # a browser's cache is not sealed
    return Response(drawn, media_type="image/png", headers=headers)


@routes.get("/documents/{doc_id}/text")
def text(
    collection: CollectionName,
    doc_id: DocumentId,
    start: Start,
    end: End,
    caller: CollectionReader,
    around: Around = 1000,
) -> Excerpt:
    """Show a citation's span in the text of its document: what stands before it, the passage, and what comes after."""
    span = _span(start, end)
    if end - start > MAX_CHARS:
        raise HTTPException(422, f"a passage has at most {MAX_CHARS:,} characters: ask for one part after the other")
    space = caller.service.space
    return excerpt(space.artifacts, space.database, collection, doc_id, span, around)


def _span(start: int, end: int) -> tuple[int, int]:
    if start >= end:
        raise HTTPException(422, f"the passage ends at {end} and begins at {start}: give its char_start and char_end")
    return start, end
