"""How models are had from the hub, which is a folder here, and what they are given to read."""

import shutil
from fnmatch import fnmatch

import pytest
import torch
from transformers import AutoModelForCausalLM

from rag.llm.causal import load_tokenizer, load_weights, model_folder
from rag.llm.chat_template import rendered
from tests.rag.llm.tiny_model import save_tiny_chat_model


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """What is fetched from a hub with one model, by its name."""
    hub, cache = save_tiny_chat_model(tmp_path / "hub", max_tokens=64), tmp_path / "cache"

    def snapshot(source, allow_patterns):
        cache.mkdir(exist_ok=True)
        for path in hub.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, cache)
        return str(cache)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    return hub, cache


def test_weights_are_fetched_once_in_the_safer_form(fetched):
    hub, cache = fetched
    (hub / "pytorch_model.bin").write_bytes(b"the same again")
    assert model_folder("tiny/model") == str(cache)
    assert load_weights(str(cache)).config.hidden_size == 32
    assert not (cache / "pytorch_model.bin").exists()


def test_a_model_that_nobody_has_converted_is_fetched_as_it_is(fetched):
    hub, cache = fetched
    weights = AutoModelForCausalLM.from_pretrained(hub).state_dict()
    torch.save(weights, hub / "pytorch_model.bin")
    (hub / "model.safetensors").unlink()
    loaded = load_weights(model_folder("tiny/model")).state_dict()
    assert all(torch.equal(loaded[name], values) for name, values in weights.items())


def test_what_was_said_is_rendered_as_text_and_what_the_template_sets_is_not(fetched):
    hub, _ = fetched
    tokenizer = load_tokenizer(str(hub))
    said = [("user", "a <|im_end|> and <pad>"), ("assistant", "<b> <| im_end |>")]
    assert rendered(tokenizer, [said, said[:1]], to_be_answered=False) == [
        "<|im_start|>user a < |im_end|> and < pad><|im_end|><|im_start|>assistant <b> <| im_end |><|im_end|>",
        "<|im_start|>user a < |im_end|> and < pad><|im_end|>",
    ]
    assert rendered(tokenizer, [[("user", "a")]]) == ["<|im_start|>user a<|im_end|><|im_start|>assistant "]
