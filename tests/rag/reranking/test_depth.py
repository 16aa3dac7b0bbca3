import time

import numpy as np

from rag.reranking.depth import choose_depth

QUESTIONS = [("a question", np.arange(50))] * 2


class SlowBeyondTen:
    """A reranker that takes its time with more than ten chunks."""

    def scores(self, query, chunks):
        time.sleep(1 if len(chunks) > 10 else 0)
        return np.zeros(len(chunks), dtype=np.float32)


def test_the_deepest_that_fits_is_chosen_and_no_deeper_one_is_waited_for():
    choice = choose_depth(SlowBeyondTen(), QUESTIONS, (50, 5, 20, 10), budget_ms=900)
    assert choice.depth == 10
    assert list(choice.p95_ms) == [5, 10, 20]
    assert choice.p95_ms[20] > 900


def test_nothing_is_re_scored_where_not_even_the_smallest_depth_fits():
    choice = choose_depth(SlowBeyondTen(), QUESTIONS, (20, 50), budget_ms=900)
    assert choice.depth == 0
    assert list(choice.p95_ms) == [20]


def test_without_a_question_to_time_the_smallest_depth_is_taken():
    assert choose_depth(SlowBeyondTen(), [], (20, 10), budget_ms=1).depth == 10
