"""A passage in its place: boxes on a PDF page, the page as a picture with it marked, and the text around it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.api.dependencies import CollectionName, CollectionReader
from app.api.errors import Busy
from app.api.work import Work
from rag.corpus.boxes import Box
from rag.corpus.places import Excerpt, document_boxes, excerpt, page_picture

T = TypeVar("T")

DRAWN_AT_ONCE = 2
"""Pages that are read or drawn, each in a process of its own that takes 200 MB."""
MAX_CHARS = 20_000
"""Of a passage, and of what is shown on each side of it."""
_MOST = 2**31 - 1
_HEADERS = {
    "X-Passage-Marked": {
        "description": "If a passage was given: whether any of it is marked. It is not on a page that holds none of "
        "it, or whose text reads otherwise here than when the document was added.",
        "schema": {"type": "boolean"},
    },
    "X-Passage-Pages": {
        "description": "If a passage was given: the pages that hold some of it, such as `2,3`.",
        "schema": {"type": "string"},
    },
}

DocumentId = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$", description="As a citation has it in `doc_id`.")]
Start = Annotated[int, Query(ge=0, le=_MOST, description="A citation's `char_start`.")]
End = Annotated[int, Query(ge=1, le=_MOST, description="A citation's `char_end`.")]
PageNo = Annotated[int, Path(ge=1, le=_MOST, description="From 1.")]
Scale = Annotated[float, Query(ge=0.25, le=4, allow_inf_nan=False, description="Pixels a point, 1/72 inch.")]
Around = Annotated[int, Query(ge=0, le=MAX_CHARS, description="Characters on each side of the passage, at most.")]


@asynccontextmanager
async def _lifespan(_: Any) -> AsyncIterator[dict[str, Work]]:
    drawing = Work(DRAWN_AT_ONCE)
    yield {"drawing": drawing}
    drawing.close()


routes = APIRouter(prefix="/collections/{collection}", tags=["documents"], lifespan=_lifespan)


class Boxes(BaseModel):
    """Where a span stands."""

    boxes: tuple[Box, ...] = Field(description="One a line; empty if the format has no pages of fixed layout.")


@routes.get("/boxes/{doc_id}")
async def boxes(
    request: Request, collection: CollectionName, doc_id: DocumentId, start: Start, end: End, caller: CollectionReader
) -> Boxes:
    """Say where on the page a citation's span (`char_start`, `char_end`) stands, to mark it there."""
    space = caller.service.space
    spans = [(doc_id, start, end)]
    return Boxes(boxes=(await _apart(request, document_boxes, space.artifacts, space.database, collection, spans))[0])


@routes.get(
    "/documents/{doc_id}/pages/{page_no}.png",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "headers": _HEADERS}
    },
)
async def page(
    request: Request,
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
    place = collection, doc_id, page_no, scale, span
    drawn = await _apart(request, page_picture, space.artifacts, space.database, *place)
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}  # a browser's cache is not sealed
    if span:
        headers |= {"X-Passage-Marked": str(drawn.marked).lower(), "X-Passage-Pages": ",".join(map(str, drawn.pages))}
    return Response(drawn.png, media_type="image/png", headers=headers)


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


async def _apart(request: Request, look: Callable[..., T], *where: object) -> T:
    try:
        drawing: Work = request.state.drawing
        return await drawing.run(partial(look, *where))
    except Busy as error:
        raise Busy("too many pages are being drawn at once: ask again in a second") from error


def _span(start: int, end: int) -> tuple[int, int]:
    if start >= end:
        raise HTTPException(422, f"the passage ends at {end} and begins at {start}: give its char_start and char_end")
    return start, end
