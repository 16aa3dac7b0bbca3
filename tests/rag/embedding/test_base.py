import pytest

from rag.embedding.base import BGE_QUERY_PROMPT, base_model, fetch_base_model
from rag.errors import ConfigError


def test_the_bundled_model_needs_no_prompt_and_is_copied_whole(tmp_path):
    spec = base_model("bundled")
    fetch_base_model(spec, tmp_path / "model")
    assert spec.query_prompt == ""
    assert (tmp_path / "model" / "model.safetensors").stat().st_size > 10**7


def test_the_hub_model_has_its_query_prompt():
    assert base_model("hub").query_prompt == BGE_QUERY_PROMPT


def test_an_unknown_source_is_named():
    with pytest.raises(ConfigError, match="'cloud'.*RAGLOOP_MODELS"):
        base_model("cloud")


def test_a_hub_out_of_reach_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="BAAI/bge-small-en-v1.5.*RAGLOOP_MODELS=bundled"):
        fetch_base_model(base_model("hub"), tmp_path / "model")


def test_a_hub_that_hangs_up_is_one_line_too(tmp_path, hub_that_hangs_up):
    with pytest.raises(ConfigError, match="the encoder BAAI/bge-small-en-v1.5 .*or set RAGLOOP_MODELS=bundled") as said:
        fetch_base_model(base_model("hub"), tmp_path / "model")
    assert "\n" not in str(said.value)
