import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rag.training.trainer import last_checkpoint
from tests.rag.chat.opening_hours import save_untaught, train

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=["a folder", "bundled"])
def base(tmp_path_factory, request):
    return request.param if request.param == "bundled" else str(save_untaught(tmp_path_factory.mktemp("base")))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, base):
    """What a run gives that nobody stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return train(folder, base), load_file(folder / "model" / "model.safetensors")


@pytest.mark.parametrize(
    ("sent", "place", "nth"),
    [
        (signal.SIGTERM, "step", 7),
        (signal.SIGTERM, "evaluation", 2),
        (signal.SIGKILL, "step", 7),
    ],
    ids=str,
)
def test_a_training_that_is_ended_goes_on_as_if_it_had_not_been(tmp_path, base, undisturbed, sent, place, nth):
    command = [sys.executable, "-m", "tests.rag.chat.opening_hours", str(tmp_path), base, place, str(nth)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(sent)
        said, log = process.communicate(timeout=300)
    assert process.returncode == -sent, log
    assert "finished" not in said
    reached = last_checkpoint(tmp_path / "checkpoints")

    facts, (expected, weights) = train(tmp_path, base), undisturbed
    assert 0 < facts["resumed_from_step"] < facts["steps"]
    assert reached.name == f"checkpoint-{facts['resumed_from_step']}"
    for same in ("steps", "best_step", "validation"):
        assert facts[same] == expected[same]
    assert facts["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-3)
    for name, values in load_file(tmp_path / "model" / "model.safetensors").items():
        np.testing.assert_allclose(values, weights[name], atol=1e-6, err_msg=name)
