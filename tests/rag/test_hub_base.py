import pytest

from rag.errors import ConfigError
from rag.hub_base import Purpose, fetching, hub_base

PURPOSE = Purpose("the parrot", "parrot.base", "set it to none")


@pytest.fixture
def folder(tmp_path):
    """A folder with what a model has, of 3 MiB."""
    path = tmp_path / "mine"
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(bytes(3 << 20))
    return path


@pytest.mark.parametrize("models", ["bundled", "hub"])
def test_a_folder_is_had_wherever_models_come_from(folder, models):
    base = hub_base(str(folder), models, PURPOSE)
    assert (base.name, base.source) == ("mine", str(folder))


@pytest.mark.parametrize("place", [0, -1])
def test_a_folder_is_known_by_its_files(folder, place):
    before = hub_base(str(folder), "hub", PURPOSE)
    weights = bytearray(3 << 20)
    weights[place] = 1
    (folder / "model.safetensors").write_bytes(weights)
    assert hub_base(str(folder), "hub", PURPOSE).version != before.version


def test_a_name_on_the_hub_needs_the_hub():
    assert hub_base("microsoft/phi-2", "hub", PURPOSE).source == "microsoft/phi-2"
    with pytest.raises(ConfigError) as refused:
        hub_base("microsoft/phi-2", "bundled", PURPOSE)
    assert str(refused.value) == (
        "the parrot microsoft/phi-2 is on the model hub: set RAGLOOP_MODELS=hub, name a folder in parrot.base, or set "
        "it to none"
    )


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_a_model_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(ConfigError, match=f"{folder} holds no model .*: correct parrot.base, or set it to none"):
        hub_base(str(folder), "hub", PURPOSE)


@pytest.mark.parametrize("written", ["/nowhere/mine", "./mine", "~/mine"])
def test_a_folder_that_is_missing_is_never_sought_on_the_hub(written, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="no folder .*mine: correct parrot.base, or set it to none"):
        hub_base(written, "hub", PURPOSE)


def test_a_hub_out_of_reach_is_one_line_with_the_remedy(tmp_path, monkeypatch):
    from huggingface_hub import snapshot_download

    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    remedy = "check the network, name a folder in parrot.base, or set it to none"
    with (
        pytest.raises(
            ConfigError, match=rf"cannot fetch the parrot a/b from the model hub \(\w+\): {remedy}"
        ) as refused,
        fetching("the parrot a/b", PURPOSE.remedy),
    ):
        snapshot_download("a/b", cache_dir=tmp_path)
    assert "\n" not in str(refused.value)


def test_a_hub_that_hangs_up_is_one_line_too(hub_that_hangs_up):
    from huggingface_hub import snapshot_download

    with (
        pytest.raises(ConfigError, match="cannot fetch the parrot a/b .*check the network"),
        fetching("the parrot a/b", PURPOSE.remedy),
    ):
        snapshot_download("a/b")
