"""The engines of a process, one for each collection, each of the release that serves."""

from collections import defaultdict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, cast

from rag.answering.engine import Engine
from rag.answering.opening import ModelPool, open_generators
from rag.config import Config, GeneratorKind, RetrievalConfig
from rag.embedding.vectors import Vectors
from rag.errors import NoChatModel
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
        self.pool = ModelPool(space, config.answering, config.chat.generation)
        self._engines: dict[tuple[str, bool], Engine] = {}
        """By collection, and whether its chat model alone speaks."""
        self._opening: defaultdict[tuple[str, bool], Lock] = defaultdict(Lock)
        self._lock = Lock()

    def of(self, collection: str, closed_book: bool = False) -> Engine:
        """Return the engine of what serves a collection; ask again for each question.

        The one before it lives as long as somebody holds it, and is closed then.

        :param closed_book: let the chat model alone speak, from memory; the passages then only bear it out.
        :raises ReleaseNotFound: if nothing serves the collection.
        :raises NoChatModel: if `closed_book` and what serves has no chat model.
        """
        key = collection, closed_book
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
                engine = self._closed_book(collection) if closed_book else self.open(release)
            self._engines[key] = engine
            other = collection, not closed_book
            if self._current(other, engine.release) is None:
                self._engines.pop(other, None)  # it may not be asked for soon, and holds the index before
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
        for closed_book in (False, True):
            self._engines.pop((collection, closed_book), None)

    def close(self) -> None:
        """Close all engines and what they share."""
        for engine in list(self._engines.values()):
            engine.close()
        self._engines.clear()
        self.pool.close()

    def _closed_book(self, collection: str) -> Engine:
        """Return an engine that searches with the collection's own, and in which the chat model alone speaks."""
        searching = self.of(collection)
        release, retriever = searching.release, searching.retriever
        if release.chat_model is None:
            raise NoChatModel(
                f"no chat model serves {collection!r}: train one with `ragloop chat train`, then promote its release"
            )
        alone = self._config.answering.model_copy(update={"generators": (GeneratorKind.CHAT_MODEL,)})
        chain = open_generators(self.pool, release, alone, cast("Encoder", retriever.encoder))
        return Engine(self._space, release, retriever, chain, self._config)

    def _current(self, key: tuple[str, bool], release: Release) -> Engine | None:
        engine = self._engines.get(key)
        return engine if engine is not None and engine.release.id == release.id else None
