import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rag.errors import OutOfMemory
from rag.training.batch_size import FittingSizes, halving, is_out_of_memory
from tests.rag.training import tight

ROOT = Path(__file__).parents[3]


def larger_than(size):
    """Return what asks for more memory than there is, for batches larger than `size`."""

    def attempt(n):
        torch.empty(2**60 if n > size else 1, dtype=torch.uint8)
        return f"done with {n}"

    return attempt


def test_a_batch_is_halved_until_it_fits():
    halved = []
    assert halving(64, 2, larger_than(20), halved.append) == ("done with 16", 16)
    assert halved == [32, 16]


def test_a_batch_that_fits_is_left_alone():
    assert halving(64, 2, larger_than(64), pytest.fail) == ("done with 64", 64)


def test_where_not_even_the_smallest_fits_the_remedy_is_said():
    with pytest.raises(OutOfMemory, match="2 at a time do not fit.*lower max_seq_length"):
        halving(8, 2, larger_than(0), lambda _: None)


def test_other_errors_are_not_tried_again():
    tried = []

    def fail(size):
        tried.append(size)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        halving(64, 2, fail, pytest.fail)
    assert tried == [64]


def test_what_failed_is_let_go_before_the_next_attempt():
    held = []

    class Weights:
        def __del__(self):
            held.remove(id(self))

    def attempt(size):
        weights = Weights()
        assert not held
        held.append(id(weights))
        return larger_than(10)(size)

    assert halving(64, 2, attempt, lambda _: None)[1] == 8


def test_an_error_of_the_card_counts_as_out_of_memory():
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))


def test_a_size_is_remembered_for_its_shape_and_never_raised(tmp_path):
    sizes = FittingSizes(tmp_path / "new" / "sizes.json")
    assert sizes.recall("small", 64) == 64
    sizes.remember("small", 16)
    sizes.remember("large", 4)
    again = FittingSizes(tmp_path / "new" / "sizes.json")
    assert [again.recall("small", 64), again.recall("small", 8), again.recall("large", 64)] == [16, 8, 4]
    assert again.recall("another", 64) == 64


def test_a_spoilt_file_is_as_good_as_none(tmp_path):
    file = tmp_path / "sizes.json"
    file.write_text('["not what we wrote"]')
    FittingSizes(file).remember("small", 16)
    assert json.loads(file.read_text()) == {"small": 16}


def test_a_training_that_does_not_fit_halves_its_batch_finishes_and_remembers(tmp_path):
    command = [sys.executable, "-m", "tests.rag.training.tight", str(tmp_path)]
    # Else the allocator keeps the address space that it was given back.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "262144"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "32 at a time do not fit in memory" in done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    fits = facts["batch"]["at_a_time"]
    assert facts["steps"] == 1
    assert 2 <= fits < 32
    assert list(json.loads((tmp_path / "batch_sizes.json").read_text()).values()) == [fits]

    again = tight.train(tmp_path / "again", tmp_path / "batch_sizes.json")
    assert again["batch"] == {"pairs": 32, "at_a_time": fits}
