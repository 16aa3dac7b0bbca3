"""POST /ask: a question in; an answer with its sources out, whole or as it is made."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StrictBool
from pydantic.json_schema import SkipJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.answering import STREAMED, Events, EventStream, answer_events, begun, sse, whole_answer
from app.api.dependencies import DEFAULT, Caller, Reader
from app.api.errors import describe
from rag.answering.answer import Answer, Citation, Done, Piece, Question, Restarted, Retrieved, Turn, Way
from rag.answering.sampling import Sampling
from rag.config import COLLECTION
from rag.corpus.boxes import Box
from rag.corpus.places import document_boxes
from rag.feedback.signals import Name
from rag.retrieval.retriever import Hit

routes = APIRouter(tags=["ask"])


class Asked(Sampling):
    """A question, and how whoever draws words for its answer is to speak: as configured unless given."""

    question: str = Field(min_length=1, max_length=4000, pattern=r"\S")
    collection: str = Field(DEFAULT, pattern=COLLECTION)
    history: list[Turn] = Field([], max_length=50)
    """What was said before, oldest first."""
    documents: list[Annotated[str, Field(min_length=1, max_length=1000)]] = Field([], max_length=100)
    """Names of the documents to look in; all unless given."""
    way: Way | None = None
    """From passages, from the chat model's memory, or from both; as the release decides unless given."""
    stream: StrictBool = False
    """Send the answer as server-sent events; so does the header `Accept: text/event-stream`."""
    boxes: StrictBool = False
    """Also say where on the PDF page each citation stands."""
    user: Name | None = None
    """Who asks, as the caller names people; kept as a keyed fingerprint only. Without it, a question has no part in an
    experiment."""

    def by(self, caller: Caller) -> Question:
        """Return what somebody asks by it.

        :raises AccessDenied: if the key does not open the collection.
        """
        caller.key.require_collection(self.collection)
        return Question(
            text=self.question,
            history=tuple(self.history),
            documents=tuple(self.documents),
            sampling=Sampling.of(self),
            user_fingerprint=caller.fingerprint(self.user),
            named=self.user is not None,
        )


class Source(BaseModel):
    """A passage that was found."""

    rank: int
    score: float
    chunk_id: str
    doc_id: str
    document: str
    page_no: int
    char_start: int
    char_end: int
    passage: str

    @classmethod
    def of(cls, hit: Hit) -> "Source":
        """Return what is told of a hit."""
        place = hit.chunk.model_dump(include={"doc_id", "document", "page_no", "char_start", "char_end"})
        return cls(rank=hit.rank, score=hit.score, chunk_id=hit.chunk.chunk_id, passage=hit.passage, **place)


class BoxedCitation(Citation):
    """A citation, and where it stands on the page."""

    boxes: tuple[Box, ...] | None = None
    """One a line; empty if the format has no pages of fixed layout; null unless asked for."""


class Answered(Answer):
    """An answer."""

    citations: tuple[BoxedCitation, ...]
    hits: SkipJsonSchema[tuple[Hit, ...]] = Field(exclude=True)
    sources: tuple[Source, ...]
    """What was retrieved, best first."""


@routes.post(
    "/ask",
    response_model=Answered,
    responses=STREAMED,
)
async def ask(asked: Asked, caller: Reader, request: Request) -> Answered | Response:
    """Answer a question from the documents.

    As a stream: `retrieval` (what was found), `token` (more text), `restart` (the text so far is void: another
    generator begins), `citations`, and at last `done` (the whole answer) or `error`.
    """
    events = answer_events(caller.service, asked.collection, asked.by(caller), asked.way)
    if asked.stream or "text/event-stream" in request.headers.get("accept", ""):
        return EventStream(_told(request, caller, await begun(events), asked.boxes))
    return await run_in_threadpool(_answered, caller, await whole_answer(request, events), asked.boxes)


async def _told(request: Request, caller: Caller, events: Events, boxes: bool) -> AsyncGenerator[bytes, None]:
    """Yield an answer as server-sent events; the last is `done` or `error`, whatever happens."""
    try:
        async for event in events:
            if isinstance(event, Retrieved):
                sources = [Source.of(hit).model_dump() for hit in event.hits]
                yield sse({"id": event.id, "release_id": event.release_id, "sources": sources}, "retrieval")
            elif isinstance(event, Piece):
                yield sse(event, "token")
            elif isinstance(event, Restarted):
                yield sse(event.silent, "restart")
            elif isinstance(event, Done):
                answered = await run_in_threadpool(_answered, caller, event.answer, boxes)
                fields = answered.model_dump(include={"citations", "statements"}, mode="json")
                yield sse(fields, "citations")
                yield sse(answered, "done")
    except Exception as error:
        yield sse(describe(request.scope, error).error.model_dump(exclude_none=True), "error")


def _answered(caller: Caller, answer: Answer, boxes: bool) -> Answered:
    citations = [BoxedCitation(**citation.model_dump()) for citation in answer.citations]
    if boxes:
        space = caller.service.space
        spans = [(citation.doc_id, citation.char_start, citation.char_end) for citation in citations]
        found = document_boxes(space.artifacts, space.database, answer.collection, spans)
        citations = [c.model_copy(update={"boxes": on_page}) for c, on_page in zip(citations, found, strict=True)]
    told = {"citations": tuple(citations), "sources": tuple(Source.of(hit) for hit in answer.hits)}
    return Answered.model_validate(dict(answer) | told)
