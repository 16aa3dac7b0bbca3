"""A question on its way through the engine, for whichever endpoint asked it."""

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

from fastapi import HTTPException, Request
from fastapi.sse import format_sse_event
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from app.api.service import Service
from rag.answering.answer import Answer, Done, Event, Question, Way

CLIENT_LEFT = 499
_EVENT = {"event": {"type": "string"}, "data": {"type": "string", "contentMediaType": "application/json"}}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "object", "required": ["data"], "properties": _EVENT}}}}
}
"""How OpenAPI describes an endpoint that may also stream."""
Events = AsyncGenerator[Event, None]


async def answer_events(service: Service, collection: str, question: Question, way: Way | None = None) -> Events:
    """Yield an answer's events, the last of them Done.

    :param way: how to answer; as the release decides unless given.
    :raises RagloopError: if nothing serves the collection or it cannot answer so, nobody answers, or all places are
        taken.
    """

    def begin() -> Generator[Event, None, None]:
        return service.trials.stream(collection, question, way)

    searched = False
    try:
        async with aclosing(service.work.stream(begin)) as events:
            async for event in events:
                searched = True
                if isinstance(event, Done):
                    service.metrics.count_answer(event.answer)
                yield event
    except Exception:
        if searched:  # before that, it was the question or the moment that was wrong
            service.metrics.failures.inc()
        raise


async def whole_answer(request: Request, events: Events) -> Answer:
    """Return the finished answer; the work ends early if the client leaves."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                return event.answer
            if await request.is_disconnected():
                break
    raise HTTPException(CLIENT_LEFT, "the client has left")


async def begun(events: Events) -> Events:
    """Wait for the first event, so that what fails before it is an answer of its own and no broken stream."""
    first = await anext(events)

    async def all_of_them() -> Events:
        async with aclosing(events):
            yield first
            async for event in events:
                yield event

    return all_of_them()


def sse(data: BaseModel | dict[str, Any] | str, event: str | None = None) -> bytes:
    """Return one server-sent event."""
    text = data.model_dump_json() if isinstance(data, BaseModel) else data
    return format_sse_event(data_str=text if isinstance(text, str) else json.dumps(text), event=event)


class EventStream(StreamingResponse):
    """Server-sent events that no proxy keeps back."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
