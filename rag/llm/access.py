"""From a config to a language model that can be asked."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from rag.config import LanguageModelConfig, ModelProvider
from rag.device import Device
from rag.errors import ConfigError
from rag.llm.language_model import LanguageModel
from rag.llm.ledger import Ledger

if TYPE_CHECKING:
    from rag.workspace import Workspace


@dataclass(frozen=True)
class LanguageModels:
    """What it takes to reach language models."""

    ledger: Ledger
    device: Device
    groq_api_key: SecretStr | None
    groq_base_url: str

    @classmethod
    def of(cls, space: "Workspace") -> "LanguageModels":
        """Return those of a home; its ledger lies beside the artifacts and outlives them."""
        settings = space.settings
        return cls(
            ledger=Ledger(space.home / "ledger", space.sealer),
            device=space.device,
            groq_api_key=settings.groq_api_key,
            groq_base_url=settings.groq_base_url,
        )

    @contextmanager
    def opened(self, provider: ModelProvider, config: LanguageModelConfig) -> Iterator[LanguageModel]:
        """Yield a language model; a local one has the card for itself meanwhile, if there is one.

        :raises ConfigError: if its key is missing, or there is to be none.
        """
        match provider:
            case ModelProvider.NONE:
                raise ConfigError("no language model is configured: choose the provider groq or local")
            case ModelProvider.LOCAL:
                with self.device.held_for_card("asking a local language model"), closing(self._local(config)) as model:
                    yield model
            case ModelProvider.GROQ:
                with closing(self._groq(config)) as model:
                    yield model

    def _groq(self, config: LanguageModelConfig) -> LanguageModel:
        if self.groq_api_key is None or not self.groq_api_key.get_secret_value():
            raise ConfigError("no key for Groq: set RAGLOOP_GROQ_API_KEY, or synthesis.writer to extractive or local")
        from rag.llm.groq import GroqProvider

        provider = GroqProvider(
            api_key=self.groq_api_key.get_secret_value(),
            base_url=self.groq_base_url,
            model=config.model,
            at_once=config.at_once,
            timeout_s=config.timeout_s,
            max_wait_s=config.max_wait_s,
        )
        return LanguageModel(provider, self.ledger, config)

    def _local(self, config: LanguageModelConfig) -> LanguageModel:
        from rag.llm.local import LocalProvider

        unlimited = config.model_copy(update={"requests_per_minute": None, "tokens_per_minute": None})
        return LanguageModel(LocalProvider(config.model, config.at_once), self.ledger, unlimited)
