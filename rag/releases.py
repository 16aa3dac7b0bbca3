"""What serves, and what would: models, index and answering config as one."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlmodel import select

from rag.answering.answer import Way
from rag.answering.manner import Manner
from rag.config import Config, RetrievalConfig
from rag.corpus.artifact import corpus_artifact
from rag.corpus.deleted import collection_deleted_ids
from rag.embedding.artifact import base_embedder
from rag.llm.access import LanguageModels
from rag.pairs.mined import LEARNED_FROM
from rag.reranking.collection import moved_reranker
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels, load_retriever
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ArtifactMissing, ProductionMoved, ReleaseNotFound, ReleaseWithdrawn
from storage.registry import Evaluation, Release, ReleaseState
from storage.release import CHAT_ROUTER as CHAT_ROUTER
from storage.release import MANNER as MANNER
from storage.tables import ProductionRow

if TYPE_CHECKING:
    from rag.chat.calibration import Calibration
    from rag.retrieval.retriever import Retriever

logger = logging.getLogger(__name__)

BASE, PRODUCTION = "base", "production"


class Candidate(BaseModel):
    """What a training produced, by reference."""

    model_config = ConfigDict(frozen=True)

    corpus: ArtifactRef
    pairs: ArtifactRef
    models: SearchModels
    retrieval: RetrievalConfig
    evidence_threshold: float | None = None
    """Evidence under which the documents are taken not to say; None if none was learned."""

    @property
    def searches_with(self) -> SearchModels:
        """The models without a reranker that has no say."""
        if self.retrieval.rerank_weight:
            return self.models
        return self.models.model_copy(update={"reranker": None})


def search_models(release: Release) -> SearchModels:
    """Return what a release searches with.

    :raises ReleaseWithdrawn: if it may not serve again.
    """
    if release.state is ReleaseState.WITHDRAWN:
        raise ReleaseWithdrawn(f"release {release.id} cannot be searched ({release.reason}): name another")
    return SearchModels(embedder=release.embedder, index=release.index, reranker=release.reranker)


def serving_collections(space: Workspace) -> list[str]:
    """Return the names of the collections that serve, sorted."""
    with space.database.reading() as session:
        return sorted(session.exec(select(ProductionRow.collection)))


def serving_release(space: Workspace, collection: str) -> Release:
    """Return the release in production.

    :raises ReleaseNotFound: if the collection has none yet.
    """
    release = space.registry.production(collection)
    if release is None:
        raise ReleaseNotFound(f"the collection {collection!r} has no release: add documents with `ragloop ingest PATH`")
    return release


def named_release(space: Workspace, collection: str, name: str) -> Release:
    """Return a release by id, or the one in production.

    :raises ReleaseNotFound: if no release answers to the name.
    """
    if name == PRODUCTION:
        return serving_release(space, collection)
    if not (name.isascii() and name.isdecimal() and len(name) < 19):
        raise ReleaseNotFound(f"no release {name!r}: give an id from `ragloop releases list`, or {PRODUCTION}")
    return space.registry.get(collection, int(name))


def open_retriever(space: Workspace, collection: str, name: str, config: Config) -> "Retriever":
    """Open a release for searching; `base` is the untuned embedder over the documents of production.

    :raises ReleaseNotFound: if no release answers to the name.
    """
    store = space.artifacts
    if name != BASE:
        release = named_release(space, collection, name)
        answering = RetrievalConfig.model_validate(release.answering)
        return load_retriever(store, search_models(release), answering, config.encoding, LanguageModels.of(space))
    corpus = ArtifactRef.model_validate(serving_release(space, collection).lineage["corpus"])
    embedder = base_embedder(store, space.settings.models)
    index = index_artifact(store, space.device, corpus, embedder, config)
    return load_retriever(store, SearchModels(embedder=embedder, index=index), config.retrieval, config.encoding)


def refresh_release(space: Workspace, collection: str, config: Config) -> Release:
    """Put the documents as they stand into production, under the models that serve; the first time, the untuned ones.

    No gate: the models do not change, and people expect to find what they have just added. If other models or documents
    begin to serve, or one is deleted, while these are indexed, it begins again from those.
    """
    while True:
        production = space.registry.production(collection)
        try:
            return _refresh(space, collection, production, config)
        except ProductionMoved:
            logger.info("what serves %s or its documents changed meanwhile: indexing them anew", collection)


def _refresh(space: Workspace, collection: str, production: Release | None, config: Config) -> Release:
    action: Literal["promote", "refresh"]
    reranker = production.reranker if production else None
    chat_model = kept_chat_model(space, production) if production else None
    if production is None:
        embedder, answering = base_embedder(space.artifacts, space.settings.models), config.retrieval.model_dump()
        reason, action = "first release: untuned models", "promote"
    else:
        embedder, answering = production.embedder, production.answering
        reason, action = f"documents changed; the models of release {production.id}", "refresh"
    corpus = corpus_artifact(space.artifacts, space.database, collection)
    try:
        index = index_artifact(
            space.artifacts, space.device, corpus, embedder, config, with_tokens=reranker is not None
        )
        if production is not None and (production.index, production.chat_model) == (index, chat_model):
            return production
        if reranker is not None:
            reranker = moved_reranker(space.artifacts, space.device, reranker, index, embedder, config)
    except ArtifactMissing as error:
        _require_corpus(space, collection, corpus, error)
        raise
    before = production.id if production else None
    release = space.registry.register(
        collection,
        parent_id=before,
        reason=reason,
        embedder=embedder,
        index=index,
        reranker=reranker,
        chat_model=chat_model,
        answering=answering,
        config=config.model_dump(mode="json"),
        lineage=with_router(
            (with_manner(production.lineage, kept_manner(production, chat_model)) if production else {})
            | {"corpus": corpus.model_dump()},
            production.lineage.get(CHAT_ROUTER) if production and chat_model else None,
        ),
    )
    release = space.registry.promote(collection, release.id, reason, action=action, instead_of=before)
    _require_corpus(space, collection, corpus)
    return release


def register_candidate(
    space: Workspace,
    collection: str,
    candidate: Candidate,
    config: Config,
    base: Release | None = None,
    router: "Calibration | None" = None,
) -> Release:
    """Record a candidate for the place of what serves; the same one twice is the same release.

    :param base: the release whose chat model and manner it keeps; what serves unless given.
    :param router: what that model's confidence is worth beside the candidate's search models; without it, what was
        known stays where these are those of `base`, and else nothing is.
    :raises ReleaseNotFound: if the collection has no release.
    :raises ProductionMoved: if it holds a document that was deleted.
    """
    base = base or serving_release(space, collection)
    chat_model, models = kept_chat_model(space, base), candidate.searches_with
    known: Mapping[str, Any] | None = None
    if chat_model is not None:
        known = router.model_dump(mode="json") if router else _known_router(base, models)
    _require_corpus(space, collection, candidate.corpus)
    return space.registry.register(
        collection,
        parent_id=base.id,
        reason="candidate",
        embedder=models.embedder,
        index=models.index,
        reranker=models.reranker,
        chat_model=chat_model,
        answering=candidate.retrieval.model_dump(),
        config=config.model_dump(mode="json"),
        lineage=with_router(
            {
                "corpus": candidate.corpus.model_dump(),
                "pairs": candidate.pairs.model_dump(),
                "evidence_threshold": candidate.evidence_threshold,
                **kept_manner(base, chat_model).lineage,
            },
            known,
        ),
    )


def _known_router(base: Release, models: SearchModels) -> Mapping[str, Any] | None:
    """Return what is known of the chat model's confidence beside these models: nothing unless they are the release's.

    Its threshold says from where memory is worth more than the passages that are found.
    """
    known: Mapping[str, Any] | None = base.lineage.get(CHAT_ROUTER)
    if not known or models == search_models(base):
        return known
    logger.warning(
        "beside search models other than those of release %d the memory of the chat model of %s is not asked, "
        "until `ragloop chat train` has calibrated it again",
        base.id,
        base.collection,
    )
    return None


def kept_chat_model(space: Workspace, release: Release) -> ArtifactRef | None:
    """Return the chat model of a release, unless it was removed or holds what a deleted document said."""
    model = release.chat_model
    if model is None or space.artifacts.find(model.kind, model.digest) is None:
        return None
    gone = collection_deleted_ids(space.database, release.collection)
    learned_from = space.artifacts.facts(model).get(LEARNED_FROM, gone)  # one that does not tell may hold anything
    return model if gone.isdisjoint(learned_from) else None


def with_router(lineage: Mapping[str, Any], router: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a lineage with this calibration of the chat model's confidence, or with none."""
    kept = {name: value for name, value in lineage.items() if name != CHAT_ROUTER}
    return kept | ({CHAT_ROUTER: dict(router)} if router else {})


def kept_manner(release: Release, chat_model: ArtifactRef | None) -> Manner:
    """Return how a release answers, as far as that goes with this chat model or none."""
    manner = Manner.of(release)
    if chat_model is None and manner.way is not Way.RAG:
        return manner.model_copy(update={"way": None})
    return manner


def with_manner(lineage: Mapping[str, Any], manner: Manner) -> dict[str, Any]:
    """Return a lineage with this manner of answering."""
    return {name: value for name, value in lineage.items() if name != MANNER} | manner.lineage


def _require_corpus(
    space: Workspace, collection: str, corpus: ArtifactRef, error: ArtifactMissing | None = None
) -> None:
    """Check that none of the documents that something was made of was deleted meanwhile.

    :raises ProductionMoved: if one was.
    """
    if space.artifacts.find(corpus.kind, corpus.digest) is None:
        raise ProductionMoved(f"a document of {collection} was deleted meanwhile: run it again") from error


def promote_release(space: Workspace, collection: str, release_id: int, reason: str, config: Config) -> Release:
    """Let a release serve, gate or no gate, and then its models over the documents as they stand; return what serves.

    :raises ReleaseNotFound: if the collection has none with that id.
    :raises ReleaseWithdrawn: if it was.
    """
    release = space.registry.promote(collection, release_id, reason)
    if holds_all_documents(space, release):
        return release
    logger.info("release %d is of the documents as they were: indexing them as they stand", release.id)
    return refresh_release(space, collection, config)


def holds_all_documents(space: Workspace, release: Release) -> bool:
    """Say whether a release answers from the documents of its collection as they stand."""
    corpus = corpus_artifact(space.artifacts, space.database, release.collection)
    return bool(release.lineage.get("corpus") == corpus.model_dump())


def last_judgement(space: Workspace, release: Release) -> Evaluation | None:
    """Return the evaluation that brought a release in or kept it out; None if it had none."""
    rows = [row for row in space.registry.evaluations(release.id) if row.verdict]
    return rows[-1] if rows else None
