import time

import numpy as np
import pytest

from rag.evaluation.footprint import footprint

MB = 2**20


def test_the_most_that_was_taken_at_a_time_is_told_though_it_was_let_go():
    with footprint() as taken:
        block = np.ones(64 * MB, dtype=np.uint8)  # each page is written, so it is resident
        time.sleep(0.5)
        del block
    assert 50 * MB < taken.memory_bytes < 128 * MB


def test_what_was_taken_before_is_not_counted():
    block = np.ones(64 * MB, dtype=np.uint8)
    with footprint() as taken:
        block += 1
    assert 0 <= taken.memory_bytes < 32 * MB


def test_what_was_taken_is_told_when_the_work_fails():
    with pytest.raises(ValueError), footprint() as taken:
        block = np.ones(64 * MB, dtype=np.uint8)
        raise ValueError(len(block))
    assert taken.memory_bytes > 50 * MB
