"""What benchmarks/resuming.py reads and draws of two processes that trained one model."""

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch.utils.tensorboard import SummaryWriter

from benchmarks.resuming import curves, picture, report

TAGS = ("train/loss", "eval/loss", "train/learning_rate")


def write_down(model, process, steps, loss):
    """Write what a process tells TensorBoard, and what it trained."""
    events = SummaryWriter(str(model / "runs" / process))
    for step in steps:
        for tag in TAGS:
            events.add_scalar(tag, loss(step), step)
    events.close()
    save_file({"weight": np.full(3, loss(steps[-1]), dtype=np.float32)}, model / "model.safetensors")


@pytest.fixture
def models(tmp_path):
    """Models of a run that nobody disturbed, and of one that lost step 3 and went on a little worse."""
    write_down(tmp_path / "whole", "one", range(1, 7), lambda step: 1 / step)
    write_down(tmp_path / "resumed", "one", range(1, 4), lambda step: 1 / step)
    write_down(tmp_path / "resumed", "two", range(3, 7), lambda step: 1 / step + 0.25)
    return tmp_path / "whole", tmp_path / "resumed"


def test_each_process_has_its_curves_in_the_order_of_their_begin(models):
    whole, resumed = models
    (expected,) = curves(whole)
    assert expected["eval/loss"] == pytest.approx({step: 1 / step for step in range(1, 7)})
    lost, again = curves(resumed)
    assert [*lost["train/loss"]] == [1, 2, 3] and [*again["train/loss"]] == [3, 4, 5, 6]
    assert {*lost} == {*TAGS}


def test_the_largest_differences_are_told(models, capsys):
    whole, resumed = models
    (expected,), (lost, again) = curves(whole), curves(resumed)
    report(whole, resumed, expected, {tag: lost[tag] | again[tag] for tag in again})
    assert capsys.readouterr().out.splitlines() == [
        "training loss: 6 points, largest difference 0.25",
        "validation loss: 6 points, largest difference 0.25",
        "weights: largest difference 0.25",
    ]


def test_the_curves_are_drawn(models):
    whole, resumed = models
    (expected,), (lost, again) = curves(whole), curves(resumed)
    drawn, other = picture(expected, lost, again), picture(expected, expected, again)
    assert drawn.startswith(b"\x89PNG") and drawn != other
