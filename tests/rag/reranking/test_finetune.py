import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from rag.errors import EmptyCorpus
from rag.reranking.cross_encoder import CrossEncoder
from rag.reranking.finetune import finetune
from rag.training.trainer import last_checkpoint
from tests.rag.reranking.tiny_bert import CONFIG, TRAIN, VALIDATION, write_base

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def train(base, folder, config=CONFIG, pairs=TRAIN, validation=VALIDATION, on_progress=None):
    return finetune(base, pairs, validation, folder / "model", folder / "checkpoints", config, on_progress)


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    told = []
    return train(base, folder, on_progress=told.append), folder, told


def separation(folder):
    """Return how much higher the worst positive scores than the best negative."""
    model = CrossEncoder(folder)
    positives = model.score_pairs([(p.anchor, p.positive) for p in TRAIN])
    negatives = model.score_pairs([(p.anchor, text) for p in TRAIN for text in p.negatives])
    return float(positives.min() - negatives.max())


def test_training_tells_positives_from_negatives_and_the_loss_falls(base, trained):
    facts, folder, _ = trained
    assert separation(folder / "model") > 0 > separation(base)
    losses = [row["loss"] for row in facts["losses"]]
    assert losses[-1] < losses[0] / 2


def test_facts_tell_the_steps_and_the_validation(trained):
    facts, _, told = trained
    assert (facts["pairs"], facts["negatives"], facts["validation_questions"]) == (40, 80, 10)
    assert facts["kept"] == "tuned"
    assert facts["untuned_mrr@10"] < 1
    assert (facts["steps"], facts["resumed_from_step"]) == (60, 0)
    assert [row["step"] for row in facts["validation"]] == [20, 40, 60]
    assert told[-1].step == 60
    assert any(now.validation is not None for now in told)


def test_the_best_step_is_kept(trained):
    facts, folder, _ = trained
    best = max(facts["validation"], key=lambda row: row["eval_validation_mrr@10"])["step"]
    kept = load_file(folder / "model" / "model.safetensors")
    for name, values in load_file(folder / "checkpoints" / f"checkpoint-{best}" / "model.safetensors").items():
        np.testing.assert_array_equal(kept[name], values, err_msg=name)


def test_the_base_is_kept_where_training_makes_it_no_better(trained, tmp_path):
    tuned = trained[1] / "model"  # it ranks all validation questions right, so nothing is above it
    facts = train(tuned, tmp_path, CONFIG.model_copy(update={"max_steps": 2, "checkpoints": 1}))
    assert facts["kept"] == "untuned"
    assert facts["untuned_mrr@10"] == 1
    ours, theirs = (load_file(at / "model.safetensors") for at in (tmp_path / "model", tuned))
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_the_lambda_loss_learns_too(base, tmp_path):
    train(base, tmp_path, CONFIG.model_copy(update={"loss": "lambda", "batch_size": 4, "epochs": 6}))
    assert separation(tmp_path / "model") > 0


def test_no_training_text_lies_beside_the_model_or_its_checkpoints(trained):
    _, folder, _ = trained
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.parent.name == "checkpoint-60" for path in files)
    texts = [text.encode() for p in (*TRAIN, *VALIDATION) for text in (p.anchor, p.positive, *p.negatives)]
    for path in files:
        content = path.read_bytes()
        assert not [text for text in texts if text in content], path


def test_a_training_that_is_terminated_goes_on_as_if_it_had_not_been(base, trained, tmp_path):
    command = [sys.executable, "-m", "tests.rag.reranking.tiny_bert", str(base), str(tmp_path), "step", "27"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGTERM)
        said, log = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGTERM, log
    assert "finished" not in said
    assert last_checkpoint(tmp_path / "checkpoints").name == "checkpoint-27"
    facts, (expected, folder, _) = train(base, tmp_path), trained
    assert facts["resumed_from_step"] == 27
    assert facts["validation"] == expected["validation"]
    ours, theirs = (load_file(at / "checkpoints/checkpoint-60/model.safetensors") for at in (tmp_path, folder))
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-6, err_msg=name)


def test_a_batch_that_does_not_fit_in_memory_is_halved_until_it_does(base, tmp_path):
    command = [sys.executable, "-m", "tests.rag.reranking.tiny_bert", str(base), str(tmp_path), "memory", "350"]
    # One arena, and what is given back leaves it: else address space runs out that is not in use.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "262144"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    batch = json.loads(done.stdout.partition("finished ")[2])
    assert batch["rows"] == 8192
    assert 1 <= batch["at_a_time"] < 8192
    assert "8192 at a time do not fit in memory" in done.stderr


def test_pairs_without_negatives_are_refused(base, tmp_path):
    with pytest.raises(EmptyCorpus, match="0 training pairs have negatives: set negatives.per_pair"):
        train(base, tmp_path, pairs=[pair.model_copy(update={"negatives": ()}) for pair in TRAIN])
