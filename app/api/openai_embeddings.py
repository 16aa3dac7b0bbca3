"""POST /v1/embeddings and GET /v1/models as OpenAI's clients speak them."""

import base64
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Path
from pydantic import BaseModel, Field, field_validator
from starlette.concurrency import run_in_threadpool

from app.api.dependencies import (
    DEFAULT,
    MODEL,
    Caller,
    Reader,
    collection_of_model,
    model_names,
    names_default,
    way_of_model,
)
from app.api.errors import Missing
from app.api.openai_chat import count_tokens
from storage.release import Release

routes = APIRouter(prefix="/v1", tags=["openai"])

Text = Annotated[str, Field(min_length=1)]


class EmbeddingsRequest(BaseModel):
    """What is used of OpenAI's request; further fields are ignored."""

    model: str = Field(min_length=1, max_length=200)
    """A collection's name; `ragloop` is the collection `default`."""
    input: Text | Annotated[list[Text], Field(min_length=1, max_length=2048)]
    """A text or several; token ids are those of another model, and refused."""
    encoding_format: Literal["float", "base64"] | None = "float"

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, value: object) -> object:
        if isinstance(value, list) and any(isinstance(each, int | list) for each in value):
            raise ValueError("token ids are those of another model: give texts")
        return value


class Embedding(BaseModel):
    """One text's vector, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str
    """base64 of little-endian float32, if that was asked for."""


class Embeddings(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: dict[str, int]


class Model(BaseModel):
    """A collection that can be asked, as its release decides or in one way."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "ragloop"
    root: str
    """The collection."""
    sampling: bool
    """Whether somebody may answer who draws words, so that temperature, top_p and the most tokens tell."""


class Models(BaseModel):
    """What the key can ask."""

    object: Literal["list"] = "list"
    data: list[Model]


@routes.post("/embeddings")
async def embed(asked: EmbeddingsRequest, caller: Reader) -> Embeddings:
    """Encode texts with the embedder that serves the collection."""
    collection = collection_of_model(caller, asked.model)
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    service = caller.service
    vectors = await service.work.run(lambda: service.engines.embed(collection, texts))
    n_tokens = await run_in_threadpool(count_tokens, texts)

    def encoded(vector: np.ndarray) -> list[float] | str:
        if asked.encoding_format == "base64":
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return [float(value) for value in vector]

    data = [Embedding(index=index, embedding=encoded(vector)) for index, vector in enumerate(vectors)]
    return Embeddings(data=data, model=asked.model, usage={"prompt_tokens": n_tokens, "total_tokens": n_tokens})


@routes.get("/models")
def list_models(caller: Reader) -> Models:
    """List the collections that the key opens and that serve; one with a chat model also with each way to answer."""
    service = caller.service
    registry = service.space.registry
    open_ones = [name for name in service.collections() if caller.key.opens(name)]
    since = {name: release for name in open_ones if (release := registry.production(name))}
    named = ({MODEL: since[DEFAULT]} if DEFAULT in since and names_default(service) else {}) | since
    models = [(id_, release) for name, release in named.items() for id_ in model_names(service, name, release)]
    return Models(data=[_model(caller, id_, release) for id_, release in models])


@routes.get("/models/{model:path}")
def show_model(model: Annotated[str, Path(min_length=1, max_length=200)], caller: Reader) -> Model:
    """Show one of them."""
    way_of_model(caller, model)
    for known in list_models(caller).data:
        if known.id == model:
            return known
    raise Missing(f"no model {model!r}: see /v1/models")


def _model(caller: Caller, id_: str, release: Release) -> Model:
    collection, way = way_of_model(caller, id_)
    created = int(release.created_at.timestamp())
    return Model(id=id_, created=created, root=collection, sampling=caller.service.engines.may_draw(release, way))
