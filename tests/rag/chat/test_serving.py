"""Which chat model speaks for a collection, what keeps it there, and what takes it away."""

import pytest

from rag.answering.answer import Way
from rag.answering.manner import Manner
from rag.chat.calibration import Calibration
from rag.chat.data_artifact import chat_data_artifact
from rag.chat.serving import (
    chat_model_rows,
    compared_release,
    register_chat_model,
    require_chat_data,
    speaking_release,
)
from rag.corpus.artifact import active_documents, corpus_artifact
from rag.deletion import delete_document
from rag.errors import ConfigError, NoChatModel
from rag.pairs.artifact import collection_pairs
from rag.releases import CHAT_ROUTER, Candidate, promote_release, register_candidate, search_models, with_manner
from storage.errors import ProductionMoved, ReleaseNotFound, ReleaseWithdrawn
from storage.registry import ReleaseState
from tests.rag.answering.shop import SMOKE, add, open_shop
from tests.rag.chat.tiny import save_tiny_chat, stored
from tests.releases import another


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two folders with untrained models."""
    return [save_tiny_chat(tmp_path_factory.mktemp(name), steps=0) for name in ("one", "two")]


@pytest.fixture
def space(tmp_path):
    return open_shop(tmp_path)


ROUTER = Calibration(confidences=(0.0, 1.0), expected=(0.0, 1.0), threshold=0.5)


def registered(space, folder, *documents, router=None):
    """Register a chat model that has learned from these documents; return its release."""
    ids = {row.name: row.id for row in active_documents(space.database, "default")}
    model = stored(space.artifacts, folder, tuple(ids[name] for name in documents))
    return register_chat_model(space, "default", model, SMOKE, router)


def promoted(space, release):
    return space.registry.promote("default", release.id, "by hand")


def test_a_chat_model_makes_a_candidate_of_what_serves(space, models):
    production = space.registry.production("default")
    release = registered(space, models[0])
    assert release.state is ReleaseState.CANDIDATE
    parts = {"embedder", "index", "reranker", "answering", "lineage"}
    assert release.model_dump(include=parts) == production.model_dump(include=parts)
    assert registered(space, models[0]).id == release.id


def test_production_speaks_before_the_newest_candidate_and_that_before_older_ones(space, models):
    with pytest.raises(NoChatModel, match="ragloop chat train"):
        speaking_release(space, "default")
    first, second = registered(space, models[0]), registered(space, models[1])
    assert speaking_release(space, "default").id == second.id
    promoted(space, first)
    assert speaking_release(space, "default").id == first.id


def test_what_was_kept_out_does_not_speak(space, models):
    first, second = registered(space, models[0]), registered(space, models[1])
    space.registry.keep_out(second.id, "worse")
    assert speaking_release(space, "default").id == first.id
    space.registry.keep_out(first.id, "it makes up more")
    with pytest.raises(NoChatModel, match=rf"kept out \(worse\).*releases promote {second.id}"):
        speaking_release(space, "default")


def test_compared_is_the_newest_unless_one_is_named_even_if_it_was_kept_out(space, models):
    with pytest.raises(NoChatModel, match="no chat model yet"):
        compared_release(space, "default", None)
    first, second = registered(space, models[0]), registered(space, models[1])
    space.registry.keep_out(second.id, "worse")
    assert compared_release(space, "default", None).id == second.id
    assert compared_release(space, "default", str(first.id)).id == first.id
    with pytest.raises(NoChatModel, match="release 1 of 'default' has no chat model"):
        compared_release(space, "default", "production")
    with pytest.raises(ReleaseNotFound):
        compared_release(space, "default", "99")


def test_a_collection_without_documents_has_nobody_to_speak(space):
    with pytest.raises(ReleaseNotFound, match="ragloop ingest"):
        speaking_release(space, "elsewhere")


def test_new_documents_and_other_search_models_leave_the_chat_model_in_its_place(space, models, tmp_path):
    model = promoted(space, registered(space, models[0], router=ROUTER)).chat_model
    refreshed = add(space, tmp_path, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
    assert (refreshed.state, refreshed.chat_model) == (ReleaseState.PRODUCTION, model)
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    pairs = collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs
    other = SMOKE.retrieval.model_copy(update={"dense_weight": 0.9})
    candidate = Candidate(corpus=corpus, pairs=pairs, models=search_models(refreshed), retrieval=other)
    retrained = register_candidate(space, "default", candidate, SMOKE)
    assert retrained.chat_model == model
    router = Calibration.model_validate(retrained.lineage[CHAT_ROUTER])
    assert router == ROUTER == Calibration.model_validate(refreshed.lineage[CHAT_ROUTER])


def test_another_chat_model_has_not_the_confidence_of_the_one_before(space, models):
    promoted(space, registered(space, models[0], router=ROUTER))
    assert CHAT_ROUTER not in registered(space, models[1]).lineage


def test_a_new_chat_model_is_asked_though_what_serves_keeps_to_passages(space, models):
    serving = space.registry.production("default")
    fixed = Manner(template="concise", way=Way.RAG)
    promoted(space, another(space.registry, serving, lineage=with_manner(serving.lineage, fixed)))
    assert Manner.of(registered(space, models[0], router=ROUTER)) == Manner(template="concise")


def test_by_hand_too_a_release_answers_from_the_documents_as_they_stand(space, models, tmp_path):
    candidate = registered(space, models[0], router=ROUTER)
    assert promote_release(space, "default", candidate.id, "by hand", SMOKE).id == candidate.id
    assert promote_release(space, "default", 1, "by hand", SMOKE).id == 1
    newer = add(space, tmp_path, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
    now = promote_release(space, "default", candidate.id, "by hand", SMOKE)
    assert now.id == space.registry.production("default").id != candidate.id
    assert (now.index, now.chat_model, now.parent_id) == (newer.index, candidate.chat_model, candidate.id)
    assert Calibration.model_validate(now.lineage[CHAT_ROUTER]) == ROUTER


def test_what_cannot_be_trained_on_is_one_clear_line(space, models, tmp_path):
    corpus = corpus_artifact(space.artifacts, space.database, "default")
    pairs = collection_pairs(space.artifacts, space.database, "default", SMOKE).pairs
    for other in (corpus, pairs, pairs.model_copy(update={"kind": "chatdata"})):
        with pytest.raises(ConfigError, match=r"holds no conversations .* artifact:chatdata/"):
            require_chat_data(space, "default", other)
    data = chat_data_artifact(space, "default", SMOKE)
    require_chat_data(space, "default", data)
    with pytest.raises(ConfigError, match="documents that are not in 'elsewhere'"):
        require_chat_data(space, "elsewhere", data)


def test_with_a_document_goes_the_chat_model_that_learned_from_it(space, models):
    served = promoted(space, registered(space, models[0], "bakery.txt", "boats.txt", router=ROUTER))
    waiting = registered(space, models[1], "cheese.txt")
    done = delete_document(space, "default", "bakery.txt", SMOKE)
    assert space.artifacts.find("chatmodel", served.chat_model.digest) is None
    assert space.artifacts.find("chatmodel", waiting.chat_model.digest) is not None
    now = space.registry.production("default")
    assert (now.id, now.chat_model) == (done.serving, None)
    assert CHAT_ROUTER not in now.lineage
    assert served.id in done.withdrawn
    with pytest.raises(ReleaseWithdrawn):
        promoted(space, served)
    with pytest.raises(NoChatModel):
        speaking_release(space, "default")  # the other release held the document's text


def test_a_chat_model_that_saw_nothing_of_a_deleted_document_goes_on_serving(space, models):
    model = promoted(space, registered(space, models[0], "bakery.txt")).chat_model
    delete_document(space, "default", "boats.txt", SMOKE)
    assert space.registry.production("default").chat_model == model
    assert speaking_release(space, "default").chat_model == model


def test_a_model_whose_document_was_deleted_while_it_was_trained_makes_no_candidate(space, models):
    candidate = registered(space, models[0], "bakery.txt")
    delete_document(space, "default", "bakery.txt", SMOKE)
    states = {release.id: release.state for release in space.registry.list("default")}
    assert states[candidate.id] is ReleaseState.WITHDRAWN
    with pytest.raises(ProductionMoved, match="deleted meanwhile"):
        register_chat_model(space, "default", candidate.chat_model, SMOKE)


def test_a_model_that_does_not_tell_what_it_saw_goes_with_any_document(space, models):
    def write(draft):
        (draft.path / "model.safetensors").write_bytes(b"")

    model = space.artifacts.build("chatmodel", inputs={"base": "b"}, config=None, recipe=[], write=write)
    promoted(space, register_chat_model(space, "default", model, SMOKE))
    delete_document(space, "default", "boats.txt", SMOKE)
    assert space.registry.production("default").chat_model is None


def test_what_a_training_did_is_told_in_rows():
    training = {"left_out": 1, "steps": 6, "best_step": 3, "train_loss": 2.5, "tokens_per_s": 900}
    training["validation"] = [{"step": 3, "loss": 2.1}]
    facts = {"base": "bundled", "method": "full", "trained_on": {"question": 4}, "training": training}
    rows = {row["what"]: row["value"] for row in chat_model_rows(facts, None)}
    assert rows["trusted"] == "never"
    assert chat_model_rows(facts, ROUTER.model_dump())[-1]["value"] == "from an expected token F1 of 0.50"
    assert rows["conversations: question"] == 4
    assert rows["validation loss at step 3"] == 2.1
    assert (rows["base"], rows["best step"]) == ("bundled, full", 3)
