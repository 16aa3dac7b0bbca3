"""Which chat model speaks for a collection, and the release that a new one makes."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from rag.config import Config
from rag.errors import NoChatModel
from rag.releases import serving_release
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ProductionMoved
from storage.registry import Release, ReleaseState

_TOLD = ("left_out", "steps", "best_step", "train_loss", "tokens_per_s")
_SPEAKS_NOT = (ReleaseState.WITHDRAWN, ReleaseState.KEPT_OUT)


class ChatCandidate(BaseModel):
    """A chat model, and the release in which it would serve."""

    model_config = ConfigDict(frozen=True)

    release_id: int
    model: ArtifactRef


def speaking_release(space: Workspace, collection: str) -> Release:
    """Return the release whose chat model speaks: the one in production, else the newest that has one.

    :raises ReleaseNotFound: if the collection has no release.
    :raises NoChatModel: if none has a chat model.
    """
    production = serving_release(space, collection)
    candidates = [each for each in space.registry.list(collection) if each.state not in _SPEAKS_NOT]
    for release in (production, *reversed(candidates)):
        if release.chat_model is not None:
            return release
    raise NoChatModel(f"the collection {collection!r} has no chat model yet: train one with `ragloop chat train`")


def register_chat_model(space: Workspace, collection: str, chat_model: ArtifactRef, config: Config) -> Release:
    """Record what serves, with another chat model, as a candidate; the same one twice is the same release.

    :raises ReleaseNotFound: if the collection has no release.
    :raises ProductionMoved: if a document that the model learned from was deleted.
    """
    production = serving_release(space, collection)
    if space.artifacts.find(chat_model.kind, chat_model.digest) is None:
        raise ProductionMoved(f"a document of {collection} was deleted meanwhile: run it again")
    return space.registry.register(
        collection,
        parent_id=production.id,
        reason="candidate: a chat model",
        embedder=production.embedder,
        index=production.index,
        reranker=production.reranker,
        chat_model=chat_model,
        answering=production.answering,
        config=production.config | {"chat": config.chat.model_dump(mode="json")},
        lineage=production.lineage,
    )


def chat_model_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a chat model was taught and how its training went, by the facts of its artifact, as rows."""
    training = facts["training"]
    rows: list[dict[str, Any]] = [{"what": "base", "value": f"{facts['base']}, {facts['method']}"}]
    rows += [{"what": f"conversations: {kind}", "value": n} for kind, n in facts["trained_on"].items()]
    rows += [{"what": name.replace("_", " "), "value": training[name]} for name in _TOLD]
    return rows + [
        {"what": f"validation loss at step {at['step']}", "value": at["loss"]} for at in training["validation"]
    ]
