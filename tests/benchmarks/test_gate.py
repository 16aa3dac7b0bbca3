"""What benchmarks/gate.py draws, counts and shows, on releases of its stated model."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.quality.paired import Compared
from benchmarks.quality.power import picture
from benchmarks.quality.results import Answered, Results, Run

ROOT = Path(__file__).parents[2]
FEW = ["--nulls", "3", "--draws", "10", "--questions", "60", "--sizes", "60"]


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def compared(rng):
    return Compared.modelled(rng, documents=20, each=10)


def answered(scores, documents=5):
    return [
        Answered(
            question=f"q{i}", document=f"d{i % documents}", metrics={"mrr@10": s, "hit@5": float(s > 0.1)}, latency_ms=1
        )
        for i, s in enumerate(scores)
    ]


def test_only_questions_that_both_answered_are_compared():
    compared = Compared.of("a", answered([0.5, 0.0, 1.0]), answered([1.0, 0.0]), ("mrr@10",))
    assert compared.differences("mrr@10").tolist() == [0.5, 0.0]
    assert compared.documents.tolist() == ["d0", "d1"]


def test_whole_documents_are_drawn_and_one_drawn_twice_counts_as_two(compared, rng):
    drawn = compared.drawn(395, rng)
    _, sizes = np.unique(drawn.documents, return_counts=True)
    assert sorted(sizes) == [5] + [10] * 39


def test_swapping_keeps_the_disagreement_and_takes_the_gain(compared, rng):
    for by_document in (True, False):
        gains = []
        for _ in range(200):
            swapped = compared.swapped(rng, by_document)
            assert np.array_equal(abs(swapped.differences("mrr@10")), abs(compared.differences("mrr@10")))
            gains.append(swapped.differences("mrr@10").mean())
        assert abs(np.mean(gains)) < 4 * np.std(gains) / np.sqrt(200)


def test_a_document_is_swapped_as_one(compared, rng):
    before, after = compared.differences("mrr@10"), compared.swapped(rng, by_document=True).differences("mrr@10")
    for document in np.unique(compared.documents):
        own = compared.documents == document
        assert np.array_equal(after[own], before[own]) or np.array_equal(after[own], -before[own])


def test_what_is_moved_gains_as_much_as_it_is_to(compared):
    moved = compared.moved(0.03)
    assert moved.differences("hit@5").mean() == pytest.approx(0.03)
    assert moved.differences("hit@5").std() == pytest.approx(compared.differences("hit@5").std())


def test_a_release_does_not_differ_from_itself(compared):
    candidate, production = compared.itself().reports()
    assert candidate == production


def test_the_power_picture_has_a_panel_for_each_metric():
    lows = {(metric, n): np.linspace(-0.1, 0.02, 50) for metric in ("mrr@10", "hit@5") for n in (100, 400)}
    image = Image.open(io.BytesIO(picture(lows, "Gains")))
    assert image.width > image.height > 0


def bench(*options, data=""):
    env = os.environ | {"PYTHONPATH": str(ROOT), "RAGLOOP_BENCH_DATA": data}
    command = [sys.executable, str(ROOT / "benchmarks" / "gate.py"), *options]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT, check=False)


def test_without_data_a_stated_model_is_judged(tmp_path):
    done = bench(*FEW, "--picture", str(tmp_path / "power.png"))
    assert "stated model: 840 questions of 60 documents" in done.stdout, done.stderr
    assert "| the same release against itself | mrr@10 | 3 | 0.0% [0.0%, 70.8%] |" in done.stdout
    assert "| 60 | " in done.stdout
    assert "points of mrr@10; 4 at most are wanted of real releases" in done.stdout
    assert Image.open(tmp_path / "power.png").format == "PNG"


@pytest.mark.parametrize(("changed", "weak"), [(0.05, False), (0.9, True)])
def test_real_releases_that_need_too_large_a_gain_fail_it(tmp_path, rng, changed, weak):
    before = rng.choice([0.0, 0.25, 0.5, 1.0], 300)
    after = np.where(rng.random(300) < changed, rng.choice([0.0, 0.25, 0.5, 1.0], 300), before)
    runs = [
        Run(dataset="covidqa", split="A", system=name, answers=answered(scores.tolist(), documents=60))
        for name, scores in (("ours", before), ("theirs", after))
    ]
    (tmp_path / "results.json").write_text(Results(profile="cpu", runs=runs).model_dump_json())
    systems = ("--before", "ours", "--after", "theirs")
    done = bench(*FEW, "--results", str(tmp_path / "results.json"), *systems)
    assert (done.returncode, "Too weak: 400 questions find" in done.stdout) == (weak, weak), done.stdout + done.stderr


def test_a_system_that_was_not_measured_is_named(tmp_path):
    results = Results(profile="cpu", runs=[Run(dataset="covidqa", split="A", system="ours", answers=answered([1.0]))])
    (tmp_path / "results.json").write_text(results.model_dump_json())
    done = bench("--results", str(tmp_path / "results.json"), "--before", "ours", "--after", "theirs")
    assert done.returncode != 0
    assert "has no system 'theirs': name one of ours" in done.stderr
