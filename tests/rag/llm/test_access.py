import subprocess
import sys

import pytest

from rag.config import LanguageModelConfig, ModelProvider
from rag.errors import ConfigError
from rag.llm.access import LanguageModels
from rag.settings import Settings
from rag.workspace import Workspace


def test_a_model_is_reached_with_the_key_and_address_of_the_settings(space, monkeypatch):
    monkeypatch.setenv("RAGLOOP_GROQ_API_KEY", "a-key")
    models = LanguageModels.of(Workspace.open(Settings()))
    with models.opened(ModelProvider.GROQ, LanguageModelConfig(model="some/model")) as model:
        assert (model.provider.name, model.provider.model) == ("groq", "some/model")


@pytest.mark.parametrize(
    ("provider", "said"), [(ModelProvider.GROQ, "RAGLOOP_GROQ_API_KEY"), (ModelProvider.NONE, "choose the provider")]
)
def test_what_is_missing_is_one_clear_line(space, provider, said):
    with pytest.raises(ConfigError, match=said), LanguageModels.of(space).opened(provider, LanguageModelConfig()):
        pass


def test_a_local_model_is_loaded_only_when_it_is_asked(space):
    config = LanguageModelConfig(model="nobody/no-such-model")
    with LanguageModels.of(space).opened(ModelProvider.LOCAL, config) as model:
        assert model.ask_all([], "asking") == []
        assert model.cost_usd == 0


def test_choosing_a_model_imports_neither_torch_nor_a_client():
    code = "import sys, rag.pairs.writing; sys.exit(bool({'torch', 'groq', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
