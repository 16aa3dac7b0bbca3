"""Who asks, and whether they may."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.access import Key, Role, check_key
from app.api.errors import Missing
from app.api.service import Service
from rag.answering.answer import Way
from rag.answering.engines import ways_of
from rag.config import COLLECTION
from storage.release import Release

DEFAULT = "default"
MODEL = "ragloop"
"""What the default collection is called as a model, unless one that serves has that name."""
SUFFIXES = {Way.RAG: "rag", Way.CLOSED_BOOK: "chat", Way.HYBRID: "hybrid"}
"""What stands behind a collection's name as a model, and a slash, for each way to answer."""

bearer = HTTPBearer(auto_error=False, description="A key of `ragloop keys create`.")


def service_of(request: Request) -> Service:
    """Return what the endpoints work with."""
    return cast(Service, request.app.state.service)


Serving = Annotated[Service, Depends(service_of)]
CollectionName = Annotated[str, Path(pattern=COLLECTION, description="A collection of documents.")]


@dataclass(frozen=True)
class Caller:
    """Somebody with a good key."""

    key: Key
    service: Service

    def fingerprint(self, user: str | None) -> str:
        """Return what a person is known by: the name that the caller gives, else the key, for all who use it."""
        return self.service.space.sealer.fingerprint(f"user {user}" if user else f"key {self.key.id}")


def caller(service: Serving, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Caller:
    """Return who asks, and count the request.

    :raises KeyRefused: if there is no good key.
    :raises RateExceeded: if it has made too many requests.
    """
    key = check_key(service.space.database, credentials.credentials if credentials else None)
    service.rates.count(key.id)
    return Caller(key, service)


def _having(role: Role) -> Callable[..., Caller]:
    def check(asking: Annotated[Caller, Depends(caller)]) -> Caller:
        asking.key.require_role(role)
        return asking

    return check


def _opening(role: Role) -> Callable[..., Caller]:
    def check(collection: CollectionName, asking: Annotated[Caller, Depends(_having(role))]) -> Caller:
        asking.key.require_collection(collection)
        return asking

    return check


Reader = Annotated[Caller, Depends(_having(Role.READER))]
CollectionReader = Annotated[Caller, Depends(_opening(Role.READER))]
CollectionTrainer = Annotated[Caller, Depends(_opening(Role.TRAINER))]
CollectionAdmin = Annotated[Caller, Depends(_opening(Role.ADMIN))]


def collection_of_model(asking: Caller, model: str) -> str:
    """Return the collection that a model's name stands for under /v1.

    :raises Missing: if none can be called so.
    :raises AccessDenied: if the key does not open it.
    """
    collection = DEFAULT if model == MODEL and names_default(asking.service) else model
    if not re.match(COLLECTION, collection):
        raise Missing(f"no model {model[:80]!r}: give a collection's name, or {MODEL} for {DEFAULT}; see /v1/models")
    asking.key.require_collection(collection)
    return collection


def names_default(service: Service) -> bool:
    """Tell whether `MODEL` stands for the default collection."""
    return MODEL not in service.collections()


def way_of_model(asking: Caller, model: str) -> tuple[str, Way | None]:
    """Return the collection that a model's name stands for, and the way to answer; None for what its release decides.

    :raises Missing, AccessDenied: as `collection_of_model`; also Missing if the way is none.
    """
    name, slash, suffix = model.partition("/")
    collection = collection_of_model(asking, name)
    if not slash:
        return collection, None
    for way, known in SUFFIXES.items():
        if known == suffix:
            return collection, way
    release = asking.service.space.registry.production(collection)
    names = model_names(asking.service, name, release) if release else [name]
    raise Missing(f"no model {model[:80]!r}: give {' or '.join(names)}; see /v1/models")


def model_names(service: Service, name: str, release: Release) -> list[str]:
    """Return what a collection that serves is called as a model: its name, and that with each way if it has several."""
    ways = ways_of(service.space.artifacts, release)
    return [name, *(f"{name}/{SUFFIXES[way]}" for way in ways if len(ways) > 1)]
