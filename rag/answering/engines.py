"""The engines of a process, one for each collection, each of the release that serves."""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, cast

from rag.answering.abstention import threshold_of
from rag.answering.answer import Way
from rag.answering.engine import Engine
from rag.answering.manner import Manner
from rag.answering.opening import ModelPool, may_draw, open_generators, open_routed, who_answers
from rag.config import Config, GeneratorKind, RetrievalConfig
from rag.embedding.vectors import Vectors
from rag.errors import ConfigError, NoChatModel
from rag.llm.access import LanguageModels
from rag.releases import CHAT_ROUTER, search_models, serving_release
from rag.retrieval.retriever import Retriever
from rag.retrieval.searcher import load_retriever
from rag.workspace import Workspace
from storage.artifacts import ArtifactStore
from storage.errors import ReleaseNotFound, StorageError
from storage.release import Release

if TYPE_CHECKING:
    from rag.chat.calibration import Calibration
    from rag.embedding.encoder import Encoder

_WAYS = (None, *Way)
_Key = tuple[str, Way | None]
"""Collection, and way; None for what the release decides."""


class Engines:
    """Opens engines when they are asked for, each once; several threads may use it at once."""

    def __init__(self, space: Workspace, config: Config, records: bool = True) -> None:
        """Open nothing yet; without `records` no interactions are kept."""
        self._space, self._config, self._records = space, config, records
        self.pool = ModelPool(space, config.answering, config.chat.generation)
        self._engines: dict[_Key, Engine] = {}
        self._tried: dict[str, Engine] = {}
        """Of releases that are tried beside what serves, by collection."""
        self._opening: defaultdict[_Key, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def of(self, collection: str, way: Way | None = None) -> Engine:
        """Return the engine of what serves a collection; ask again for each question.

        The one before it lives as long as somebody holds it, and is closed then.

        :param way: how to answer; as the release decides unless given.
        :raises ReleaseNotFound: if nothing serves the collection.
        :raises NoChatModel, ConfigError: as `require_way`.
        """
        key = collection, way
        try:
            release = serving_release(self._space, collection)
        except ReleaseNotFound:
            self.forget(collection)  # its last document was deleted
            raise
        if (engine := self._current(key, release)) is not None:
            return engine
        with self._lock:
            opening = self._opening[key]
        with opening:
            release = serving_release(self._space, collection)
            engine = self._current(key, release)
            if engine is None:
                engine = self._opened(release) if way is None else self._beside(self.of(collection), way)
            self._engines[key] = engine
            for other in _WAYS:
                # It may not be asked for soon, and holds the index before.
                if self._current((collection, other), engine.release) is None:
                    self._engines.pop((collection, other), None)
            return engine

    @property
    def trials(self) -> dict[str, int]:
        """The releases that are tried beside what serves, by collection."""
        return {collection: engine.release.id for collection, engine in list(self._tried.items())}

    def tried(self, release: Release) -> Engine:
        """Return the engine of a release that is tried beside what serves; one for each collection, until `forget`.

        It searches with the same index as what serves, where that is the same.

        :raises NoChatModel, ConfigError: as `require_way`.
        :raises StorageError: if a part of it is not in the store.
        :raises NoGenerator: if nobody could answer.
        """
        collection = release.collection
        if (engine := self._tried.get(collection)) is not None and engine.release.id == release.id:
            return engine
        serving = self.of(collection)
        with self._lock:
            opening = self._opening[collection, None]
        with opening:
            engine = self._tried.get(collection)
            if engine is None or engine.release.id != release.id:
                engine = self._opened(release, serving)
                engine.require_speaker()
                self._tried[collection] = engine
            return engine

    def open(self, release: Release, way: Way | None = None) -> Engine:
        """Return an engine of a release, whether it serves or not.

        :param way: how to answer; as the release decides unless given.
        :raises NoChatModel, ConfigError: as `require_way`.
        """
        way = way or Manner.of(release).way
        require_way(self._space.artifacts, release, way)
        answering = RetrievalConfig.model_validate(release.answering)
        store, llm = self._space.artifacts, LanguageModels.of(self._space)
        retriever = load_retriever(store, search_models(release), answering, self._config.encoding, llm)
        return self._engine(release, retriever, way)

    def may_draw(self, release: Release, way: Way | None = None) -> bool:
        """Say whether whoever answers may draw words, so that a question's `sampling` tells; opens nothing.

        :param way: how to answer; as the release decides unless given.
        """
        way = way or Manner.of(release).way
        remembers = way is None and _calibration(release) is not None
        return remembers or may_draw(self.pool, release, self._config.answering, way)

    def prompts(self, release: Release) -> bool:
        """Say whether anybody who answers from a release is prompted by a template, as far as shows without opening."""
        return not {GeneratorKind.CHAT_MODEL, GeneratorKind.EXTRACTIVE}.issuperset(self._who_answers(release))

    def answers_as(self, release: Release) -> tuple[object, ...]:
        """Return all that decides how a release answers here: two for which it is equal answer alike.

        A default counts as what it stands for, and what nobody uses who answers does not count.

        :raises ReleaseWithdrawn: if the release may not serve again.
        """
        config, way = Manner.of(release).applied(self._config.answering), Manner.of(release).way
        calibration = None if way else _calibration(release)
        who = self._who_answers(release)
        return (
            search_models(release),
            RetrievalConfig.model_validate(release.answering),
            threshold_of(release.lineage.get("evidence_threshold"), config),
            who,
            way is Way.HYBRID,
            config.collection_templates.get(release.collection, config.template) if self.prompts(release) else None,
            release.chat_model if calibration or GeneratorKind.CHAT_MODEL in who else None,
            calibration,
        )

    def embed(self, collection: str, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized: what the collection's embedder makes of passages.

        :raises ReleaseNotFound: if nothing serves the collection.
        """
        return cast("Encoder", self.of(collection).retriever.encoder).encode_passages(texts)

    def forget(self, collection: str) -> None:
        """Let go of a collection's engine and of all that it remembers; the next question opens what serves then."""
        for way in _WAYS:
            self._engines.pop((collection, way), None)
        self.end_trial(collection)

    def end_trial(self, collection: str) -> None:
        """Let go of the engine of what was tried beside what serves."""
        self._tried.pop(collection, None)

    def close(self) -> None:
        """Close all engines and what they share."""
        for engine in [*self._engines.values(), *self._tried.values()]:
            engine.close()
        self._engines.clear()
        self._tried.clear()
        self.pool.close()

    def _who_answers(self, release: Release) -> tuple[str, ...]:
        """Return who can answer from the passages of a release, or from its chat model alone."""
        way = Manner.of(release).way
        routed = way is None and _calibration(release) is not None
        return who_answers(self.pool, release, self._config.answering, Way.RAG if routed else way)

    def _opened(self, release: Release, serving: Engine | None = None) -> Engine:
        """Return an engine that decides by itself how to answer, with what is open already of what it is made of."""
        tried = self._tried.get(release.collection)
        if tried is not None and tried.release.id == release.id:  # it was tried, and serves now
            return tried
        if serving is not None and _searches_alike(release, serving.release):
            way = Manner.of(release).way
            require_way(self._space.artifacts, release, way)
            return self._engine(release, serving.retriever, way)
        return self.open(release)

    def _beside(self, searching: Engine, way: Way) -> Engine:
        """Return an engine that answers in another way from the same release, and searches with the same index."""
        require_way(self._space.artifacts, searching.release, way)
        return self._engine(searching.release, searching.retriever, way)

    def _engine(self, release: Release, retriever: Retriever, way: Way | None) -> Engine:
        pool, encoder = self.pool, cast("Encoder", retriever.encoder)
        config = Manner.of(release).applied(self._config.answering)
        if way is None and (calibration := _calibration(release)) is not None:
            chain, memory = open_routed(pool, release, config, encoder, calibration)
        else:
            chain, memory = open_generators(pool, release, config, encoder, way), None
        return Engine(self._space, release, retriever, chain, self._config, way or Way.RAG, memory, self._records)

    def _current(self, key: _Key, release: Release) -> Engine | None:
        engine = self._engines.get(key)
        return engine if engine is not None and engine.release.id == release.id else None


def ways_of(store: ArtifactStore, release: Release) -> tuple[Way, ...]:
    """Return the ways in which a release can answer."""
    found: list[Way] = []
    for way in Way:
        with suppress(NoChatModel, ConfigError, StorageError):
            require_way(store, release, way)
            found.append(way)
    return tuple(found)


def require_way(store: ArtifactStore, release: Release, way: Way | None) -> None:
    """Check that a release can answer in some way.

    :raises NoChatModel: if it needs a chat model, and the release has none.
    :raises ConfigError: if it needs one that reads passages, and the release's was not taught to.
    """
    if way in (None, Way.RAG):
        return
    if release.chat_model is None:
        raise NoChatModel(
            f"no chat model serves {release.collection!r} in release {release.id}: "
            "train one with `ragloop chat train`, then promote its release"
        )
    if way is Way.HYBRID:
        from rag.answering.hybrid import require_grounded

        require_grounded(store.facts(release.chat_model), release.id)


def _searches_alike(one: Release, other: Release) -> bool:
    return (search_models(one), one.answering) == (search_models(other), other.answering)


def _calibration(release: Release) -> "Calibration | None":
    """Return what a release knows of its chat model's confidence, if that is ever to be trusted."""
    learned = release.lineage.get(CHAT_ROUTER)
    if learned is None or release.chat_model is None:
        return None
    from rag.chat.calibration import Calibration

    calibration = Calibration.model_validate(learned)
    return calibration if calibration.threshold is not None else None
