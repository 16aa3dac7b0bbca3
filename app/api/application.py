"""The HTTP API as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from app.api import (
    ask,
    documents,
    experiments,
    explain,
    feedback,
    health,
    keys,
    learning,
    monitoring,
    openai_chat,
    openai_embeddings,
    passages,
    releases,
    training,
)
from app.api.errors import RESPONSES, add_handlers
from app.api.middleware import BodyLimit, KeyFirst, Requests
from app.api.service import Service

_ABOUT = "Answers from your documents with their sources, and a loop that makes them better."


def create_app(service: Service) -> FastAPI:
    """Return the application; the service starts and closes with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(title="ragloop", description=_ABOUT, lifespan=lifespan, responses=RESPONSES, redirect_slashes=False)
    app.state.service = service
    for part in (
        ask,
        explain,
        openai_chat,
        openai_embeddings,
        passages,
        documents,
        feedback,
        training,
        learning,
        releases,
        experiments,
        monitoring,
        keys,
        health,
    ):
        app.include_router(part.routes)
    add_handlers(app)
    app.add_middleware(BodyLimit, max_upload_bytes=service.space.settings.max_upload_mb * 2**20)
    app.add_middleware(KeyFirst, database=service.space.database)
    app.add_middleware(Requests, metrics=service.metrics)
    if origins := service.space.settings.api_origins:
        app.add_middleware(  # outside of the rest, so that a page of these origins can also read what is refused
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-Request-ID"],
            expose_headers=["Retry-After", "X-Passage-Marked", "X-Passage-Pages", "X-Request-ID"],
        )
    return app
