import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rag.retrieval.fusion import min_max, mix

scores = st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20).map(lambda v: np.array(v, dtype=np.float32))


@given(scores)
def test_stretched_scores_lie_between_zero_and_one_and_keep_their_order(values):
    stretched = min_max(values)
    assert stretched.min() >= 0
    assert stretched.max() <= 1
    order = np.argsort(values, kind="stable")
    assert (np.diff(stretched[order]) >= 0).all()


def test_the_ends_of_the_mix_are_its_parts():
    dense, lexical = np.array([0.9, 0.1, 0.5], dtype=np.float32), np.array([1, 8, 3], dtype=np.float32)
    assert mix(dense, lexical, 1.0).argmax() == 0
    assert mix(dense, lexical, 0.0).argmax() == 1


def test_equal_scores_decide_nothing():
    assert min_max(np.full(3, 7, dtype=np.float32)).tolist() == [0, 0, 0]
