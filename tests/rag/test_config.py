import subprocess
import sys

import pytest
from pydantic import ValidationError

from rag.config import Config, IndexConfig
from rag.errors import ConfigError
from rag.profiles import Profile, detect_profile, load_config
from rag.settings import Settings


@pytest.mark.parametrize("profile", Profile)
def test_every_profile_loads(profile):
    assert isinstance(load_config(profile), Config)


def test_an_unknown_profile_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match="'huge'.*cpu, gpu-6gb, gpu-16gb, smoke"):
        load_config("huge")


def test_a_config_is_frozen_and_strict():
    config = load_config("cpu")
    with pytest.raises(ValidationError):
        config.embedding.epochs = 3
    with pytest.raises(ValidationError):
        IndexConfig(window_token=3)


def test_the_batch_size_of_encoding_is_no_part_of_an_index():
    assert IndexConfig(encode_batch=1).model_dump() == IndexConfig(encode_batch=9).model_dump()


def test_the_profile_is_fitted_to_the_card(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert detect_profile() is Profile.CPU
    tool = tmp_path / "nvidia-smi"
    for memory, expected in (("6144", Profile.GPU_6GB), ("16380", Profile.GPU_16GB), ("no card", Profile.CPU)):
        tool.write_text(f"#!/bin/sh\necho '{memory}'\n")
        tool.chmod(0o755)
        assert detect_profile() is expected


def test_config_and_settings_import_no_torch():
    code = "import sys, rag.config, rag.settings, rag.workspace, rag.releases; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_config_file_overrides_single_fields_of_a_profile(tmp_path):
    file = tmp_path / "ragloop.toml"
    file.write_text("[embedding]\nepochs = 5\n")
    config = Settings(config=file).stages("smoke")
    assert config.embedding.epochs == 5
    assert config.embedding.batch_size == load_config("smoke").embedding.batch_size


def test_a_config_file_overrides_single_fields_within_a_stage(tmp_path):
    file = tmp_path / "ragloop.toml"
    file.write_text("[chat.training]\nepochs = 7\n[chat.generation]\nmax_new_tokens = 9\n")
    chat, plain = Settings(config=file).stages("smoke").chat, load_config("smoke").chat
    assert (chat.training.epochs, chat.generation.max_new_tokens) == (7, 9)
    assert chat.training == plain.training.model_copy(update={"epochs": 7})
    assert chat.data == plain.data


def test_a_card_trains_a_chat_model_of_the_hub_only_where_models_come_from_there():
    assert Settings().stages("gpu-6gb").chat == load_config("cpu").chat
    small, large = (Settings(models="hub").stages(profile).chat.training for profile in ("gpu-6gb", "gpu-16gb"))
    assert (small.base, small.method, small.gradient_checkpointing) == ("microsoft/phi-2", "qlora", True)
    assert (large.base, large.method, large.epochs) == ("microsoft/DialoGPT-small", "full", 15)
    assert (large.batch_size, large.accumulation, large.learning_rate) == (4, 8, 3e-4)
    assert Settings(models="hub").stages("cpu").chat == load_config("cpu").chat


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[embedding]\nepochz = 5", "embedding.epochz"),
        ("[embedding]\nepochs = 0", "embedding.epochs"),
        ("[embedding]\ndistill_weight = 0.1\nloss = 'cached'", "embedding: .*needs the contrastive loss"),
        ("[embedding]\ndistill_weight = 0.1\nnegatives = 0", "embedding: .*and negatives"),
        ("[embedding]\ndistill_weight = 0.1", "stages: .*needs a cross-encoder and mined negatives"),
        (
            "[embedding]\ndistill_weight = 0.1\n[reranking]\nmethod = 'cross-encoder'\n[negatives]\nper_pair = 0",
            "stages: .*negatives.per_pair above 0",
        ),
        ("[chat.training]\nepochz = 1", "chat.training.epochz"),
        ("[chat.training]\nmethod = 'qlora'", "chat.training: .*set method to full, or base to another model"),
        ("[chat.training]\nwidth = 100\nheads = 8", "chat.training: .*width 100 is no multiple of 8 heads"),
        ("[embeding]\nepochs = 1", "embeding"),
        ("embedding = 3", "embedding"),
        ("[embedding", "is not TOML"),
    ],
)
def test_a_wrong_config_file_is_named(tmp_path, written, said):
    file = tmp_path / "ragloop.toml"
    file.write_text(written)
    with pytest.raises(ConfigError, match=said):
        Settings(config=file).stages("smoke")


def test_a_missing_config_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="RAGLOOP_CONFIG"):
        Settings(config=tmp_path / "none.toml").stages("smoke")
