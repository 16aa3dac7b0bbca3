import logging
import threading
import time

import pytest

from rag.embedding.artifact import base_embedder, finetuned_embedder
from rag.pairs.pair import Split
from tests.rag.embedding.handbook import CONFIG, TRAIN, VALIDATION


@pytest.fixture
def pairs(space):
    """A pairs artifact of the handbook."""

    def write(draft):
        for split, own in ((Split.TRAIN, TRAIN), (Split.VALIDATION, VALIDATION), (Split.EVALUATION, [])):
            draft.seal(f"{split}.encrypted", "\n".join(pair.model_dump_json() for pair in own).encode())
        return {"training_set": "0" * 32}

    return space.artifacts.build("pairs", inputs={}, config=None, recipe=[], write=write)


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
