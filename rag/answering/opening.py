"""From a config to the chain that answers. Who cannot be opened is named with its remedy, and passed over."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from rag.answering.answer import Silent, Way
from rag.answering.breaker import Breaker
from rag.answering.chain import Chain
from rag.answering.generator import Generator
from rag.answering.models import AnsweringModel, ModelGenerator
from rag.answering.prompts import Template, load_template
from rag.config import AnsweringConfig, ChatGenerationConfig, GeneratorKind
from rag.config.chat import GROUNDED_PASSAGES
from rag.errors import ConfigError
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import StorageError
from storage.registry import Release

if TYPE_CHECKING:
    from rag.answering.routing import Memory
    from rag.chat.calibration import Calibration
    from rag.chat.model import ChatModel
    from rag.embedding.encoder import Encoder

logger = logging.getLogger(__name__)

T = TypeVar("T")
Openers = Mapping[str, Callable[[], T]]
"""By the names under which those that cannot be opened are told."""
_INSTEAD = "leave it out of answering.generators"


class ModelPool:
    """What the chains of a process share: a model is opened once, and who hangs for one collection does for all."""

    def __init__(self, space: Workspace, config: AnsweringConfig, speaking: ChatGenerationConfig | None = None) -> None:
        """Open nothing yet; `speaking` is how chat models do."""
        self.space, self.config, self.speaking = space, config, speaking or ChatGenerationConfig()
        self.breakers: dict[str, Breaker] = {}
        """By generator."""
        self._lock = Lock()
        self._models: dict[GeneratorKind, AnsweringModel] = {}
        self._chat_models: WeakValueDictionary[str, ChatModel] = WeakValueDictionary()

    @property
    def models(self) -> dict[str, AnsweringModel]:
        """Those that were opened, by generator."""
        return {_name(model): model for model in list(self._models.values())}

    def model(self, kind: GeneratorKind) -> AnsweringModel:
        """Return Groq's or the local model, opened.

        :raises ConfigError: if it cannot be had.
        """
        with self._lock:
            if kind not in self._models:
                model = self.found(kind)
                _ = model.provider.context_tokens  # which loads one on this machine: once, while others wait
                self._models[kind] = model
            return self._models[kind]

    def found(self, kind: GeneratorKind) -> AnsweringModel:
        """Return Groq's or the local model, of which nothing is loaded; it is the caller's to close.

        :raises ConfigError: if it cannot be had.
        """
        return self._groq() if kind is GeneratorKind.GROQ else self._local()

    def chat_model(self, ref: ArtifactRef) -> "ChatModel":
        """Return a chat model, opened; its memory is given back once nobody holds it.

        :raises ConfigError: if it cannot be loaded.
        :raises StorageError: if it is not in the store.
        """
        from rag.chat.model import ChatModel

        with self._lock:
            model = self._chat_models.get(ref.uri)
            if model is None:
                model = self._chat_models[ref.uri] = ChatModel.load(self.space.artifacts.path(ref))
            return model

    def breaker(self, name: str) -> Breaker:
        """Return the breaker of a generator."""
        return self.breakers.setdefault(name, Breaker(self.config.breaker_failures, self.config.breaker_s))

    def close(self) -> None:
        """Close all models."""
        for model in self._models.values():
            model.close()

    def _local(self) -> AnsweringModel:
        """Find the model on this machine. It shares the card with a training, which would otherwise never get it."""
        from rag.llm.local import LocalProvider

        config = self.config.local
        turn_s = self.config.first_piece_s / 2
        provider = LocalProvider(config.model, config.at_once, turn_s, "answering.local", _INSTEAD)
        provider.find()
        unlimited = config.model_copy(update={"requests_per_minute": None, "tokens_per_minute": None})
        return AnsweringModel(provider, unlimited)

    def _groq(self) -> AnsweringModel:
        settings, config = self.space.settings, self.config.llm
        if settings.groq_api_key is None or not settings.groq_api_key.get_secret_value():
            raise ConfigError("no key for Groq: set RAGLOOP_GROQ_API_KEY")
        from rag.llm.groq import GroqProvider

        provider = GroqProvider(
            api_key=settings.groq_api_key.get_secret_value(),
            base_url=settings.groq_base_url,
            model=config.model,
            at_once=config.at_once,
            timeout_s=self.config.total_s,
            max_wait_s=config.max_wait_s,
            # Later than whoever waits gives up, so that it only ends what is left behind.
            read_s=max(self.config.first_piece_s, self.config.gap_s) + 1,
            setting="answering.llm",
        )
        return AnsweringModel(provider, config)


def open_generators(
    pool: ModelPool, release: Release, config: AnsweringConfig, encoder: "Encoder", way: Way | None = None
) -> Chain:
    """Return the chain of a release's collection, or that of one way to answer. The pool outlives it.

    :raises ConfigError: if the prompt template cannot be used.
    """
    generators, silent = _opened(_openers(pool, release, config, encoder, way))
    return Chain(generators, silent, config, pool.breakers)


def open_routed(
    pool: ModelPool, release: Release, config: AnsweringConfig, encoder: "Encoder", calibration: "Calibration"
) -> "tuple[Chain, Memory | None]":
    """Return the chain that answers from passages, and the chat model that is asked before it.

    That is None if it cannot be opened; then every answer of the chain names it.

    :raises ConfigError: if the prompt template cannot be used.
    """
    from rag.answering.routing import Memory

    # What takes longer than passages may until their first word is not worth waiting for.
    hasty = config.model_copy(update={"total_s": config.first_piece_s})
    own, absent = _opened(_openers(pool, release, hasty, encoder, Way.CLOSED_BOOK))
    reading, silent = _opened(_openers(pool, release, config, encoder, Way.RAG))
    chain = Chain(reading, absent + silent, config, pool.breakers)
    # A breaker of its own: what is too slow to be asked first may be asked alone all the same.
    return chain, Memory(own[0], pool.breaker(f"{own[0].name} first"), calibration) if own else None


def who_answers(pool: ModelPool, release: Release, config: AnsweringConfig, way: Way | None = None) -> tuple[str, ...]:
    """Return who can answer in some way here and now, in their order, as far as shows without loading a model.

    Each is named with its model; a release's own chat model is the one that it has.
    """
    names, _ = _tried({kind.value: partial(_found_name, kind, pool, release) for kind in _kinds(config, way)})
    return tuple(names)


def may_draw(pool: ModelPool, release: Release, config: AnsweringConfig, way: Way | None = None) -> bool:
    """Say whether anybody may answer in some way who draws words, so that `Sampling` tells; opens nothing."""
    key = pool.space.settings.groq_api_key
    able = {
        GeneratorKind.GROQ: key is not None and bool(key.get_secret_value()),
        GeneratorKind.LOCAL: True,
        GeneratorKind.CHAT_MODEL: release.chat_model is not None,
        GeneratorKind.EXTRACTIVE: False,
    }
    return any(able[kind] for kind in _kinds(config, way))


def _kinds(config: AnsweringConfig, way: Way | None) -> tuple[GeneratorKind, ...]:
    """Return who is asked, in their order."""
    if way in (Way.CLOSED_BOOK, Way.HYBRID):
        return (GeneratorKind.CHAT_MODEL,)
    kinds = tuple(dict.fromkeys(config.generators))
    if way is Way.RAG:  # the one that needs nothing stands in where the config names the chat model alone
        kinds = tuple(kind for kind in kinds if kind is not GeneratorKind.CHAT_MODEL) or (GeneratorKind.EXTRACTIVE,)
    return kinds


def _openers(
    pool: ModelPool, release: Release, config: AnsweringConfig, encoder: "Encoder", way: Way | None
) -> Openers[Generator]:
    if way is Way.HYBRID:
        return {way.value: partial(_hybrid, pool, release, config, encoder)}
    name = config.collection_templates.get(release.collection, config.template)
    template = load_template(name, config.templates)
    return {kind.value: partial(_open, kind, pool, release, template, config, encoder) for kind in _kinds(config, way)}


def _opened(openers: Openers[Generator]) -> tuple[list[Generator], list[Silent]]:
    """Return the generators, and who could not be opened."""
    generators, silent = _tried(openers)
    for each in silent:
        logger.warning("%s will not answer: %s", each.generator, each.reason)
    return generators, silent


def _tried(openers: Openers[T]) -> tuple[list[T], list[Silent]]:
    """Return what was opened, and who could not be."""
    opened: list[T] = []
    silent: list[Silent] = []
    for name, opener in openers.items():
        try:
            opened.append(opener())
        except (ConfigError, StorageError, ImportError) as error:
            reason = f"{error.name} is not installed: install it" if isinstance(error, ImportError) else str(error)
            silent.append(Silent(generator=name, reason=reason))
    return opened, silent


def _found_name(kind: GeneratorKind, pool: ModelPool, release: Release) -> str:
    """Return the name of a generator that can be had."""
    if kind is GeneratorKind.EXTRACTIVE:
        return kind.value
    if kind is GeneratorKind.CHAT_MODEL:
        pool.space.artifacts.manifest(_chat_model(release))
        return kind.value
    with closing(pool.found(kind)) as model:
        return _name(model)


def _open(
    kind: GeneratorKind,
    pool: ModelPool,
    release: Release,
    template: Template,
    config: AnsweringConfig,
    encoder: "Encoder",
) -> Generator:
    if kind is GeneratorKind.EXTRACTIVE:
        from rag.answering.extractive import ExtractiveGenerator

        return ExtractiveGenerator(encoder, config)
    if kind is GeneratorKind.CHAT_MODEL:
        return _closed_book(pool, release, config)
    model = pool.model(kind)
    return ModelGenerator(_name(model), model, template, config)


def _closed_book(pool: ModelPool, release: Release, config: AnsweringConfig) -> Generator:
    from rag.answering.closed_book import ClosedBookGenerator, speaker_name

    model = pool.chat_model(_chat_model(release))
    return ClosedBookGenerator(speaker_name(release.id), model, pool.speaking, config)


def _hybrid(pool: ModelPool, release: Release, config: AnsweringConfig, encoder: "Encoder") -> Generator:
    from rag.answering.hybrid import HybridGenerator

    name, ref = f"{Way.HYBRID.value}/{release.id}", _chat_model(release)
    n_passages = pool.space.artifacts.facts(ref).get("passages") or GROUNDED_PASSAGES
    return HybridGenerator(name, pool.chat_model(ref), encoder, pool.speaking, config, n_passages)


def _chat_model(release: Release) -> ArtifactRef:
    if release.chat_model is None:
        raise ConfigError(f"release {release.id} has no chat model: train one with `ragloop chat train`")
    return release.chat_model


def _name(model: AnsweringModel) -> str:
    return f"{model.provider.name}/{model.provider.model}"
