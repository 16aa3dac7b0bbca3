"""A router knows the passages beside which it decides: those of the release that it stands in, and of no other."""

import logging

import pytest

from rag.chat.serving import register_chat_model
from rag.corpus.artifact import corpus_artifact
from rag.evaluation.routed_release import recalibrated, register_routed
from rag.evaluation.router_artifact import load_router, router_artifact
from rag.pairs.artifact import collection_pairs
from rag.releases import CHAT_ROUTER, Candidate, register_candidate, search_models
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels
from storage.artifacts import ArtifactRef
from storage.errors import ProductionMoved
from tests.rag.evaluation.company_talk import SMOKE, SURE, open_company, stored_chat, taught

NARROW = SMOKE.model_copy(update={"index": SMOKE.index.model_copy(update={"window_tokens": 64, "window_stride": 48})})


@pytest.fixture
def home(tmp_path, chat):
    """A home where a chat model serves with a router, and the conversations that it was trained on."""
    space = open_company(tmp_path)
    data = taught(space)
    release = register_chat_model(space, "default", stored_chat(space, chat, data), SMOKE, SURE)
    space.registry.promote("default", release.id, "by hand")
    return space, data


def retrained(space, config=NARROW, **retrieval):
    """Return a candidate over the documents as they stand; another index unless the config is that of what serves."""
    embedder = space.registry.production("default").embedder
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    index = index_artifact(space.artifacts, space.device, corpus, embedder, config)
    pairs = collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs
    models = SearchModels(embedder=embedder, index=index)
    return Candidate(corpus=corpus, pairs=pairs, models=models, retrieval=SMOKE.retrieval.model_copy(update=retrieval))


def test_other_search_models_are_what_a_router_is_calibrated_beside_before_they_may_serve(home):
    space, _ = home
    base, candidate = space.registry.production("default"), retrained(space)
    assert candidate.models != search_models(base)
    router = recalibrated(space, base, candidate, SMOKE)
    asked = ArtifactRef.of("chatanswers", space.artifacts.manifest(router).inputs["rag"])
    assert space.artifacts.manifest(asked).inputs["index"] == candidate.models.index.digest
    release = register_candidate(space, "default", candidate, SMOKE, base, load_router(space.artifacts, router))
    assert (release.chat_model, release.index) == (base.chat_model, candidate.models.index)
    assert release.lineage[CHAT_ROUTER] == load_router(space.artifacts, router).model_dump(mode="json")
    assert release.lineage[CHAT_ROUTER] != base.lineage[CHAT_ROUTER]


def test_other_weights_find_other_passages_too(home):
    space, _ = home
    base = space.registry.production("default")
    assert recalibrated(space, base, retrained(space, SMOKE), SMOKE) is None
    assert recalibrated(space, base, retrained(space, SMOKE, dense_weight=0.9), SMOKE) is not None


def test_where_no_router_decides_none_is_calibrated(home, chat):
    space, data = home
    base = space.registry.production("default")
    without = {name: value for name, value in base.lineage.items() if name != CHAT_ROUTER}
    candidate = retrained(space)
    assert recalibrated(space, base.model_copy(update={"lineage": without}), candidate, SMOKE) is None
    assert recalibrated(space, base.model_copy(update={"chat_model": None}), candidate, SMOKE) is None


def test_a_router_that_cannot_be_calibrated_again_is_left_out_and_that_is_said(home, caplog):
    space, data = home
    base, candidate = space.registry.production("default"), retrained(space)
    space.artifacts.remove(data)  # as with a document that only measured: the chat model may stay
    with caplog.at_level(logging.WARNING):
        assert recalibrated(space, base, candidate, SMOKE) is None
        release = register_candidate(space, "default", candidate, SMOKE, base)
    assert release.chat_model == base.chat_model and CHAT_ROUTER not in release.lineage
    assert "could not be calibrated again" in caplog.text
    assert "is not asked, until `ragloop chat train` has calibrated it again" in caplog.text
    kept = register_candidate(space, "default", retrained(space, SMOKE), SMOKE, base)
    assert kept.lineage[CHAT_ROUTER] == base.lineage[CHAT_ROUTER]


def test_a_router_of_one_release_is_not_recorded_with_the_search_models_of_another(home, chat):
    space, data = home
    base = space.registry.production("default")
    model = stored_chat(space, chat, data, grounded=False)
    router = router_artifact(space, base.model_copy(update={"chat_model": model}), data, SMOKE)
    release = register_routed(space, base, model, router, SMOKE)
    assert (release.embedder, release.chat_model) == (base.embedder, model)
    assert release.lineage[CHAT_ROUTER] == load_router(space.artifacts, router).model_dump(mode="json")
    other = register_candidate(space, "default", retrained(space, dense_weight=0.9), SMOKE, base, SURE)
    space.registry.promote("default", other.id, "meanwhile")
    releases = len(space.registry.list("default"))
    with pytest.raises(
        ProductionMoved, match=rf"release {other.id} began to serve.*calibrated beside release {base.id}"
    ):
        register_routed(space, base, model, router, SMOKE)
    assert len(space.registry.list("default")) == releases
