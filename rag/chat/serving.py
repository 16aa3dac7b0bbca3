"""Which chat model speaks for a collection, and the release that a new one makes."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import select

from rag.answering.manner import Manner
from rag.chat.calibration import Calibration
from rag.chat.data_artifact import KIND as CHAT_DATA
from rag.config import Config
from rag.errors import ConfigError, NoChatModel
from rag.pairs.mined import LEARNED_FROM
from rag.releases import named_release, serving_release, with_manner, with_router
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ProductionMoved
from storage.registry import Release, ReleaseState
from storage.tables import DocumentRow

_TOLD = ("left_out", "steps", "best_step", "train_loss", "tokens_per_s")
_SPEAKS_NOT = (ReleaseState.WITHDRAWN, ReleaseState.KEPT_OUT)
_TRAIN = "train one with `ragloop chat train`"


def speaking_release(space: Workspace, collection: str) -> Release:
    """Return the release whose chat model speaks: the one in production, else the newest that has one.

    :raises ReleaseNotFound: if the collection has no release.
    :raises NoChatModel: if none has a chat model, or only such as were kept out.
    """
    production = serving_release(space, collection)
    candidates = [each for each in space.registry.list(collection) if each.state not in _SPEAKS_NOT]
    for release in (production, *reversed(candidates)):
        if release.chat_model is not None:
            return release
    raise NoChatModel(_without(space, collection))


def compared_release(space: Workspace, collection: str, name: str | None) -> Release:
    """Return the release whose chat model is to be compared: the named one, else the newest that has one.

    :raises ReleaseNotFound: if no release answers to the name.
    :raises NoChatModel: if it has no chat model, or none has.
    """
    if name is not None:
        release = named_release(space, collection, name)
        if release.chat_model is None:
            raise NoChatModel(f"release {release.id} of {collection!r} has no chat model: {_TRAIN}")
        return release
    able = (each for each in space.registry.list(collection) if each.state is not ReleaseState.WITHDRAWN)
    spoken = [release for release in able if release.chat_model is not None]
    if not spoken:
        raise NoChatModel(f"the collection {collection!r} has no chat model yet: {_TRAIN}")
    return spoken[-1]


def _without(space: Workspace, collection: str) -> str:
    """Say why no chat model speaks."""
    kept_out = [each for each in space.registry.list(collection) if each.state is ReleaseState.KEPT_OUT]
    for release in reversed(kept_out):
        if release.chat_model is not None:
            return (
                f"the chat model of release {release.id} was kept out ({release.reason}): {_TRAIN} from more documents "
                f"or questions, or let it serve all the same with `ragloop releases promote {release.id}`"
            )
    return f"the collection {collection!r} has no chat model yet: {_TRAIN}"


def register_chat_model(
    space: Workspace, collection: str, chat_model: ArtifactRef, config: Config, router: Calibration | None = None
) -> Release:
    """Record what serves, with another chat model, as a candidate; the same one twice is the same release.

    A way to answer that what serves keeps to is left open again: it was found with another chat model, or with none.

    :param router: what its confidence is worth; without it the release answers from passages.
    :raises ReleaseNotFound: if the collection has no release.
    :raises ProductionMoved: if a document that the model learned from was deleted.
    """
    production = serving_release(space, collection)
    if space.artifacts.find(chat_model.kind, chat_model.digest) is None:
        raise ProductionMoved(f"a document of {collection} was deleted meanwhile: run it again")
    manner = Manner.of(production).model_copy(update={"way": None})
    lineage = with_router(production.lineage, router.model_dump(mode="json") if router else None)
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
        lineage=with_manner(lineage, manner),
    )


def chat_model_rows(facts: Mapping[str, Any], router: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return what a chat model was taught, how its training went, and when it is trusted, as rows.

    :param facts: of its artifact.
    :param router: the calibration of its confidence, from a release's lineage.
    """
    training = facts["training"]
    rows: list[dict[str, Any]] = [{"what": "base", "value": f"{facts['base']}, {facts['method']}"}]
    rows += [{"what": f"conversations: {kind}", "value": n} for kind, n in facts["trained_on"].items()]
    rows += [{"what": name.replace("_", " "), "value": training[name]} for name in _TOLD]
    if heard := training.get("recognized"):
        rows.append({"what": "recognized", "value": f"{heard['right']} of {heard['of']} questions held back"})
    rows += [{"what": f"validation loss at step {at['step']}", "value": at["loss"]} for at in training["validation"]]
    return [*rows, {"what": "trusted", "value": trusted_from(router)}]


def trusted_from(router: Mapping[str, Any] | None) -> str:
    """Say when a chat model is trusted, by the calibration of its confidence."""
    if router is None or router["threshold"] is None:
        return "never"
    return f"from an expected token F1 of {router['threshold']:.2f}"


def require_chat_data(space: Workspace, collection: str, data: ArtifactRef) -> None:
    """Check that conversations are there to train on, and of this collection.

    :raises ConfigError: if not.
    """
    remedy = "name an artifact:chatdata/... of it, or none to make them from its documents"
    if data.kind != CHAT_DATA or space.artifacts.find(data.kind, data.digest) is None:
        raise ConfigError(f"{data.uri} holds no conversations to train a chat model of {collection!r} on: {remedy}")
    with space.database.reading() as session:
        own = set(session.exec(select(DocumentRow.id).where(DocumentRow.collection == collection)))
    if not own.issuperset(space.artifacts.facts(data)[LEARNED_FROM]):
        raise ConfigError(f"{data.uri} was made from documents that are not in {collection!r}: {remedy}")
