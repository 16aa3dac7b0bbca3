import json

import numpy as np
import pytest

from rag.config import Config, RerankingConfig
from rag.embedding.artifact import base_embedder
from rag.errors import DimensionMismatch
from rag.reranking.artifact import (
    base_reranker,
    finetuned_reranker,
    late_interaction,
    load_reranker,
    reranking_depth,
)
from rag.reranking.collection import same_reranker
from tests.query_pairs import pairs_artifact
from tests.rag.reranking.animals import ALL, OWN, QUESTIONS, TEXTS, build, windows
from tests.rag.reranking.tiny_bert import CONFIG, TRAIN, VALIDATION, write_base

LATE = Config(reranking=RerankingConfig(depths=(2, 4), budget_ms=60_000))


def stored_index(space, opened):
    def write(draft):
        for name, data in opened.to_files().items():
            draft.seal(name, data)

    return space.artifacts.build("index", inputs={}, config={"chunks": len(opened.chunks)}, recipe=[], write=write)


@pytest.fixture
def opened(encoder):
    return build(encoder)


@pytest.fixture
def index(space, opened):
    return stored_index(space, opened)


@pytest.fixture
def embedder(space):
    return base_embedder(space.artifacts, "bundled")


@pytest.fixture
def pairs(space):
    return pairs_artifact(space.artifacts, TRAIN, VALIDATION)


def answers(reranker):
    return [int(reranker.scores(question, ALL).argmax()) for question in QUESTIONS]


def files(space, ref):
    return {path.name: path.read_bytes() for path in space.artifacts.path(ref).iterdir()}


def late(**sizes):
    return LATE.model_copy(update={"reranking": LATE.reranking.model_copy(update=sizes)})


@pytest.mark.parametrize(
    ("sizes", "dims"),
    [
        ({}, 384),
        ({"max_whole_tokens": 0, "projected_dims": 96}, 96),
        ({"max_whole_tokens": 0, "max_stored_tokens": 0}, None),
    ],
)
def test_late_interaction_is_built_sealed_and_opened(space, index, embedder, opened, encoder, sizes, dims):
    ref = late_interaction(space.artifacts, space.device, index, embedder, late(**sizes))
    assert space.artifacts.facts(ref).get("dims") == dims
    assert space.artifacts.facts(ref)["stored"] is (dims is not None)
    assert ("token_vectors.encrypted" in files(space, ref)) is (dims is not None)
    assert not any(name.endswith(".encrypted") and data[:2] == b"PK" for name, data in files(space, ref).items())
    assert answers(load_reranker(space.artifacts, ref, opened, encoder)) == OWN


def test_the_same_chunks_in_a_longer_index_are_not_encoded_again(space, index, embedder, encoder):
    late_interaction(space.artifacts, space.device, index, embedder, LATE)
    before = set((space.home / "artifacts" / "token_vectors").iterdir())
    fewer = late(max_whole_tokens=0, projected_dims=64)
    ref = late_interaction(space.artifacts, space.device, index, embedder, fewer)
    assert space.artifacts.facts(ref)["dims"] == 64
    assert set((space.home / "artifacts" / "token_vectors").iterdir()) == before
    assert len(before) == 1


def test_the_token_vectors_of_another_index_are_refused(space, index, embedder, encoder):
    ref = late_interaction(space.artifacts, space.device, index, embedder, LATE)
    other = build(encoder, TEXTS[:2], windows()[:2])
    with pytest.raises(DimensionMismatch, match="built for 4 chunks, the index has 2"):
        load_reranker(space.artifacts, ref, other, encoder)


def test_the_depth_is_timed_once_and_then_read_from_the_facts(space, index, embedder, pairs):
    ref = late_interaction(space.artifacts, space.device, index, embedder, LATE)
    assert reranking_depth(space.artifacts, ref, index, embedder, pairs, LATE) == 4
    recorded = (space.home / "artifacts" / "reranking_depth").rglob("manifest.json")
    [manifest] = [json.loads(path.read_text()) for path in recorded]
    assert set(manifest["facts"]["p95_ms"]) == {"2", "4"}
    assert reranking_depth(space.artifacts, ref, index, embedder, pairs, LATE) == 4
    assert len(list((space.home / "artifacts" / "reranking_depth").iterdir())) == 1


def test_a_cross_encoder_is_fetched_tuned_and_opened(space, pairs, opened, encoder, tmp_path):
    config = CONFIG.model_copy(update={"base": str(write_base(tmp_path / "tiny"))})
    mined = {pair.id: pair.negatives for pair in TRAIN}
    negatives = space.artifacts.build(
        "negatives",
        inputs={},
        config=None,
        recipe=[],
        write=lambda draft: draft.seal("passages.encrypted", json.dumps(mined).encode()),
    )
    base = base_reranker(space.artifacts, "bundled", config)
    tuned = finetuned_reranker(space.artifacts, base, pairs, negatives, config, space.device)
    assert space.artifacts.facts(tuned)["training"]["negatives"] == 80
    assert space.device.holder() is None
    card = (space.artifacts.path(tuned) / "README.md").read_text()
    assert "Started from `tiny`; trained on 40 pairs with 80 mined negatives." in card
    assert base.digest in card
    assert not [p for p in (*TRAIN, *VALIDATION) if p.anchor in card or p.positive in card]
    before, after = (load_reranker(space.artifacts, ref, opened, encoder).scores("yes", ALL) for ref in (base, tuned))
    assert after.shape == (4,)
    assert not np.allclose(before, after)
    assert same_reranker(space.artifacts, base) != same_reranker(space.artifacts, tuned)
