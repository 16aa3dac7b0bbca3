"""From a config to the chain that answers. Who cannot be opened is named with its remedy, and passed over."""

import logging
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from rag.answering.answer import Silent
from rag.answering.breaker import Breaker
from rag.answering.chain import Chain
from rag.answering.generator import Generator
from rag.answering.models import AnsweringModel, ModelGenerator
from rag.answering.prompts import Template, load_template
from rag.config import AnsweringConfig, ChatGenerationConfig, GeneratorKind
from rag.errors import ConfigError
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import StorageError
from storage.registry import Release

if TYPE_CHECKING:
    from rag.chat.model import ChatModel
    from rag.embedding.encoder import Encoder

logger = logging.getLogger(__name__)

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
                self._models[kind] = self._groq() if kind is GeneratorKind.GROQ else self._local()
            return self._models[kind]

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

    def close(self) -> None:
        """Close all models."""
        for model in self._models.values():
            model.close()

    def _local(self) -> AnsweringModel:
        """Open the model on this machine. It shares the card with a training, which would otherwise never get it."""
        from rag.llm.local import LocalProvider

        config = self.config.local
        turn_s = self.config.first_piece_s / 2
        provider = LocalProvider(config.model, config.at_once, turn_s, "answering.local", _INSTEAD)
        provider.load()
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


def open_generators(pool: ModelPool, release: Release, config: AnsweringConfig, encoder: "Encoder") -> Chain:
    """Return the chain of a release's collection. The pool outlives it.

    :raises ConfigError: if the prompt template cannot be used.
    """
    template = load_template(config.collection_templates.get(release.collection, config.template), config.templates)
    generators: list[Generator] = []
    silent: list[Silent] = []
    for kind in dict.fromkeys(config.generators):
        try:
            generators.append(_open(kind, pool, release, template, config, encoder))
        except (ConfigError, StorageError, ImportError) as error:
            reason = f"{error.name} is not installed: install it" if isinstance(error, ImportError) else str(error)
            silent.append(Silent(generator=kind.value, reason=reason))
            logger.warning("%s will not answer: %s", kind.value, reason)
    return Chain(generators, silent, config, pool.breakers)


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
        if release.chat_model is None:
            raise ConfigError(f"release {release.id} has no chat model: train one with `ragloop chat train`")
        from rag.answering.closed_book import ClosedBookGenerator

        name = f"{kind.value}/{release.id}"
        return ClosedBookGenerator(name, pool.chat_model(release.chat_model), pool.speaking, config)
    model = pool.model(kind)
    return ModelGenerator(_name(model), model, template, config)


def _name(model: AnsweringModel) -> str:
    return f"{model.provider.name}/{model.provider.model}"
