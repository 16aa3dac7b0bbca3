"""What a retraining needs and may lack, asked before anything long begins."""

import importlib.util

from rag.config import Config, Expansion, ModelProvider
from rag.errors import ConfigError
from rag.reranking.base import base_cross_encoder
from rag.settings import Settings


def require_means(settings: Settings, config: Config) -> None:
    """Check that what the config wants of other models and packages can be had here.

    :raises ConfigError: naming what cannot.
    """
    if config.reranking.method == "cross-encoder":
        base_cross_encoder(config.reranking.base, settings.models)
    if config.encoding.engine == "openvino-int8" and importlib.util.find_spec("nncf") is None:
        raise ConfigError("encoding.engine needs nncf, which is not installed: pip install 'ragloop[int8]'")
    written = {Expansion.MULTI_QUERY, Expansion.HYPOTHETICAL_ANSWER} & {*config.retrieval.expansions}
    if written and config.retrieval.provider is ModelProvider.GROQ and settings.groq_api_key is None:
        raise ConfigError(
            f"{min(written)} asks Groq: set RAGLOOP_GROQ_API_KEY, or leave it out of retrieval.expansions"
        )
