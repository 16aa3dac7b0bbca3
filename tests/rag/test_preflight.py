import pytest
from pydantic import SecretStr

from rag.errors import ConfigError
from rag.preflight import require_means
from rag.profiles import load_config
from rag.settings import Models, Settings

WRITTEN = {"retrieval": {"expansions": ("multi-query",), "provider": "groq"}}


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"reranking": {"method": "cross-encoder"}}, "RAGLOOP_MODELS=hub"),
        (WRITTEN, "RAGLOOP_GROQ_API_KEY"),
    ],
)
def test_what_the_config_wants_and_cannot_be_had_is_named_before_a_training(overrides, named):
    settings = Settings(models=Models.BUNDLED, groq_api_key=None)
    with pytest.raises(ConfigError, match=named):
        require_means(settings, load_config("smoke", overrides=overrides))


def test_what_can_be_had_is_no_obstacle():
    require_means(Settings(models=Models.BUNDLED), load_config("cpu"))
    require_means(Settings(groq_api_key=SecretStr("a-key")), load_config("cpu", overrides=WRITTEN))
