"""How models are had from the hub, which is a folder here, and what they are given to read."""

import shutil
from fnmatch import fnmatch

import pytest
import torch
from transformers import AutoModelForCausalLM

from rag.llm.causal import load_weights, model_folder
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
