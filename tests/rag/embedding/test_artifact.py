import json
import logging
import threading
import time

import pytest
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

from rag.embedding.artifact import base_embedder, finetuned_embedder
from rag.pairs.mined import NEGATIVES
from rag.reranking.artifact import base_reranker
from tests.query_pairs import pairs_artifact
from tests.rag.embedding.handbook import CONFIG, TRAIN, VALIDATION
from tests.rag.reranking import tiny_bert

FEW_STEPS = CONFIG.model_copy(update={"max_steps": 1, "merge_weights": (1.0,)})


@pytest.fixture
def pairs(space):
    return pairs_artifact(space.artifacts, TRAIN, VALIDATION)


@pytest.fixture
def negatives(space):
    """One for each pair of the handbook."""

    def write(draft):
        draft.seal("passages.encrypted", json.dumps({pair.id: ["A passage that is wrong."] for pair in TRAIN}).encode())
        return {}

    return space.artifacts.build(NEGATIVES, inputs={}, config=None, recipe=[], write=write)


def test_only_who_has_to_train_waits_for_the_device(space, pairs, caplog):
    caplog.set_level(logging.INFO, logger="rag.device")
    base = base_embedder(space.artifacts, "bundled")
    results = []

    def build():
        results.append(finetuned_embedder(space.artifacts, base, pairs, CONFIG, space.device))

    with space.device.held("a drill"):
        waiting = threading.Thread(target=build)
        waiting.start()
        deadline = time.monotonic() + 60
        while "waiting: the device is taken: a drill" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not results
    waiting.join(timeout=300)
    assert len(results) == 1
    assert space.device.holder() is None

    with space.device.held("another drill"):
        again = threading.Thread(target=build, daemon=True)
        again.start()
        again.join(timeout=60)
    assert results == [results[0]] * 2


def test_an_embedder_has_a_card_without_texts_loads_without_us_and_learns_from_its_negatives(space, pairs, negatives):
    store, base = space.artifacts, base_embedder(space.artifacts, "bundled")
    made = finetuned_embedder(store, base, pairs, FEW_STEPS, space.device, negatives=negatives)
    facts = store.facts(made)["training"]
    assert store.manifest(made).inputs["negatives"] == negatives.digest
    assert facts["negatives"] == 1

    card = (store.path(made) / "README.md").read_text()
    assert base.digest in card
    assert negatives.digest in card
    assert "| real | 40 |" in card
    assert not [p.anchor for p in (*TRAIN, *VALIDATION) if p.anchor in card or p.positive in card]
    assert SentenceTransformer(str(store.path(made)), local_files_only=True).encode("a question").shape == (384,)


def test_a_teacher_makes_another_embedder_that_names_it(space, pairs, negatives, tmp_path):
    store, base = space.artifacts, base_embedder(space.artifacts, "bundled")
    reranking = tiny_bert.CONFIG.model_copy(update={"base": str(tiny_bert.write_base(tmp_path / "tiny"))})
    teacher = base_reranker(store, "bundled", reranking)
    config = FEW_STEPS.model_copy(update={"distill_weight": 0.5, "max_steps": 3})

    def build(**learned_with):
        return finetuned_embedder(store, base, pairs, config, space.device, negatives=negatives, **learned_with)

    alone, taught = build(), build(teacher=teacher)
    assert store.manifest(taught).inputs["teacher"] == teacher.digest
    assert teacher.digest in (store.path(taught) / "README.md").read_text()
    assert (store.facts(alone)["training"]["distilled"], store.facts(taught)["training"]["distilled"]) == (False, True)
    ours, theirs = (load_file(store.path(ref) / "model.safetensors") for ref in (taught, alone))
    assert any((ours[name] != theirs[name]).any() for name in theirs)
