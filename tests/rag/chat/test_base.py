import pytest

from rag.chat.base import chat_base
from rag.chat.pretrained import fetched, pretrained_model, pretrained_tokenizer
from rag.config import ChatMethod
from rag.errors import ConfigError
from tests.rag.chat.opening_hours import adapted
from tests.rag.chat.tiny_bases import save_base


def test_the_bundled_base_is_had_from_anywhere():
    assert chat_base("bundled", "bundled") == chat_base("bundled", "hub")
    assert chat_base("bundled", "bundled").source is None


def test_any_other_is_a_folder_or_on_the_hub(tmp_path):
    folder = save_base(tmp_path / "mine", "phi")
    assert chat_base(str(folder), "bundled").source == str(folder)
    assert chat_base("microsoft/phi-2", "hub").source == "microsoft/phi-2"
    remedy = "set RAGLOOP_MODELS=hub, name a folder in chat.training.base, or set it to bundled"
    with pytest.raises(ConfigError, match=f"the chat model's base microsoft/phi-2 is on the model hub: {remedy}"):
        chat_base("microsoft/phi-2", "bundled")


def test_a_hub_out_of_reach_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="microsoft/phi-2 .*name a folder in chat.training.base") as error:
        fetched("microsoft/phi-2")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", ChatMethod)
def test_damaged_weights_are_one_line_with_the_remedy(tmp_path, method):
    folder = save_base(tmp_path, "phi")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    tokenizer = pretrained_tokenizer(str(folder))
    with pytest.raises(ConfigError, match="cannot load the chat model's base .*set chat.training.base") as error:
        pretrained_model(str(folder), "mine", tokenizer, adapted(method))
    assert "\n" not in str(error.value)
