"""Rounds of training on the smoke profile, each with negatives that are mined anew."""

import pytest

from flows.build_index import build_index
from flows.ingest import ingest
from flows.train_embedder import train_embedder
from rag.embedding.artifact import base_embedder
from rag.profiles import Profile
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tests.company import write_company
from tests.rag.reranking.tiny_bert import write_base


@pytest.fixture
def company(home, tmp_path):
    """A home with documents and an untuned release."""
    ingest([str(write_company(tmp_path / "documents"))], profile=Profile.SMOKE)
    return Workspace.open(Settings()).artifacts


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Train as a config file says; return the embedder."""

    def run(toml, **asked):
        file = tmp_path / "ragloop.toml"
        file.write_text(toml)
        monkeypatch.setenv("RAGLOOP_CONFIG", str(file))
        return train_embedder(profile=Profile.SMOKE, **asked)

    return run


def made_from(store, embedder):
    return store.manifest(embedder).inputs


def test_each_round_goes_on_from_the_one_before_with_negatives_of_its_own(company, train):
    second = made_from(company, train("[negatives]\nper_pair = 2\nrounds = 2\n"))
    first = made_from(company, ArtifactRef.of("embedder", second["base"]))
    base = base_embedder(company, "bundled")
    assert first["base"] == base.digest
    miners = [company.manifest(ArtifactRef.of("negatives", own["negatives"])).inputs for own in (first, second)]
    assert [inputs["embedder"] for inputs in miners] == [base.digest, second["base"]]


def test_without_negatives_there_is_one_round_and_nothing_is_mined(company, train):
    inputs = made_from(company, train("[negatives]\nper_pair = 0\n"))
    assert inputs["base"] == base_embedder(company, "bundled").digest
    assert "negatives" not in inputs
    assert not (Settings().home / "artifacts" / "negatives").exists()


def distilling(tmp_path):
    base = write_base(tmp_path / "tiny")
    return f"""
[embedding]
distill_weight = 0.1

[reranking]
method = "cross-encoder"
base = "{base}"
max_steps = 2
max_seq_length = 64
"""


def test_the_cross_encoder_that_is_distilled_is_the_one_that_re_ranks(company, train, tmp_path):
    embedder = train(distilling(tmp_path))
    made = made_from(company, embedder)
    assert company.manifest(ArtifactRef.of("reranker", made["teacher"])).inputs["negatives"] == made["negatives"]
    candidate = build_index(profile=Profile.SMOKE, embedder=embedder.uri)
    assert candidate.models.reranker.digest == made["teacher"]


def test_a_drill_distils_nothing(company, train, tmp_path):
    embedder = train(distilling(tmp_path), shuffle_labels=True)
    assert "teacher" not in made_from(company, embedder)
    assert not (Settings().home / "artifacts" / "reranker").exists()
