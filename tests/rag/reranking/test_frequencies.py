import numpy as np
import pytest

from rag.reranking.frequencies import TokenFrequencies

FREQUENCIES = TokenFrequencies.count(np.array([7, 7, 3, 3, 9, 3]), np.array([0, 3, 5, 6]))
"""Of three chunks: 7 7 3, 3 9 and 3."""


def test_a_token_counts_once_a_chunk():
    assert FREQUENCIES.of(np.array([3, 7, 9, 5])).tolist() == [3, 1, 1, 0]


def test_rarer_tokens_weigh_more_and_every_token_weighs_something():
    everywhere, once, never = FREQUENCIES.idf(np.array([3, 7, 5]))
    assert 0 < everywhere < once < never
    assert once == pytest.approx(np.log(1 + 2.5 / 1.5))


def test_bytes_bring_the_counts_back():
    again = TokenFrequencies.from_bytes(FREQUENCIES.to_bytes())
    assert again.n_chunks == 3
    assert again.of(np.array([3, 9])).tolist() == [3, 1]


def test_a_collection_without_tokens_knows_none():
    nothing = TokenFrequencies.count(np.array([], dtype=np.int64), np.array([0, 0]))
    assert nothing.of(np.array([3])).tolist() == [0]
