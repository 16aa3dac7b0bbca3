"""The engines of a process, one for each collection, each of the release that serves."""

from collections import defaultdict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, cast

from rag.answering.engine import Engine
from rag.answering.opening import ModelPool, open_generators
from rag.config import Config, RetrievalConfig
from rag.embedding.vectors import Vectors
from rag.llm.access import LanguageModels
from rag.releases import search_models, serving_release
from rag.retrieval.searcher import load_retriever
from rag.workspace import Workspace
from storage.errors import ReleaseNotFound
from storage.release import Release

if TYPE_CHECKING:
    from rag.embedding.encoder import Encoder


class Engines:
    """Opens engines when they are asked for, each once; several threads may use it at once."""

    def __init__(self, space: Workspace, config: Config) -> None:
        """Open nothing yet."""
        self._space, self._config = space, config
        self.pool = ModelPool(space, config.answering)
        self._engines: dict[str, Engine] = {}
        self._opening: defaultdict[str, Lock] = defaultdict(Lock)
        self._lock = Lock()

    def of(self, collection: str) -> Engine:
        """Return the engine of what serves a collection; ask again for each question.

        The one before it lives as long as somebody holds it, and is closed then.

        :raises ReleaseNotFound: if nothing serves the collection.
        """
        try:
            release = serving_release(self._space, collection)
        except ReleaseNotFound:
            self._engines.pop(collection, None)  # its last document was deleted
            raise
        if (engine := self._current(release)) is not None:
            return engine
        with self._lock:
            opening = self._opening[collection]
        with opening:
            release = serving_release(self._space, collection)
            engine = self._current(release) or self.open(release)
            self._engines[collection] = engine
            return engine

    def open(self, release: Release) -> Engine:
        """Return an engine of a release, whether it serves or not."""
        answering = RetrievalConfig.model_validate(release.answering)
        store, llm = self._space.artifacts, LanguageModels.of(self._space)
        retriever = load_retriever(store, search_models(release), answering, self._config.encoding, llm)
        chain = open_generators(self.pool, release, self._config.answering, cast("Encoder", retriever.encoder))
        return Engine(self._space, release, retriever, chain, self._config)

    def embed(self, collection: str, texts: Sequence[str]) -> Vectors:
        """Return float32 (len(texts), dim), L2-normalized: what the collection's embedder makes of passages.

        :raises ReleaseNotFound: if nothing serves the collection.
        """
        return cast("Encoder", self.of(collection).retriever.encoder).encode_passages(texts)

    def forget(self, collection: str) -> None:
        """Let go of a collection's engine and of all that it remembers; the next question opens what serves then."""
        self._engines.pop(collection, None)

    def close(self) -> None:
        """Close all engines and what they share."""
        for engine in list(self._engines.values()):
            engine.close()
        self._engines.clear()
        self.pool.close()

    def _current(self, release: Release) -> Engine | None:
        engine = self._engines.get(release.collection)
        return engine if engine is not None and engine.release.id == release.id else None
