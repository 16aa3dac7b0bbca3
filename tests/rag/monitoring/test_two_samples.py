import numpy as np
import pytest
from scipy import stats

from rag.monitoring.two_samples import (
    Shuffle,
    holm,
    in_new_surroundings,
    largest_gap,
    mean_discrepancy,
    on_new_topics,
)


def shuffle(n_before, n_now, per_block=1, permutations=199, seed=0):
    recent = [False] * n_before + [True] * n_now
    blocks = [f"{r} {i // per_block}" for i, r in enumerate(recent)]
    return Shuffle(recent, blocks, [""] * len(recent), permutations, seed)


def test_people_of_both_windows_are_compared_with_themselves():
    """Twenty people, each with a level of their own, and all a little higher lately."""
    recent = [False, False, True] * 20
    people = [f"{i // 3:02}" for i in range(60)]
    values = [int(person) + 6 * is_recent for person, is_recent in zip(people, recent, strict=True)]
    blocks = [str(i) for i in range(60)]
    among_all = Shuffle(recent, blocks, [""] * 60, 999, 0)
    within = Shuffle(recent, blocks, people, 999, 0)
    assert (within.labels.reshape(1000, 20, 3).sum(axis=2) == 1).all()
    assert largest_gap(values, among_all).p_value > 0.1
    assert largest_gap(values, within).p_value <= 0.05


def test_the_gap_is_kolmogorovs():
    rng = np.random.default_rng(0)
    before, now = rng.normal(size=60), rng.normal(0.4, size=40)
    found = largest_gap([*before, *now], shuffle(60, 40, permutations=1999))
    known = stats.ks_2samp(before, now)
    assert found.statistic == pytest.approx(known.statistic)
    assert found.p_value == pytest.approx(known.pvalue, abs=0.03)
    tied = [*before.round(), *now.round()]
    assert largest_gap(tied, shuffle(60, 40)).statistic == pytest.approx(stats.ks_2samp(tied[:60], tied[60:]).statistic)


def test_of_shares_it_is_their_difference():
    assert largest_gap([0] * 8 + [1] * 2 + [0] * 5 + [1] * 5, shuffle(10, 10)).statistic == pytest.approx(0.3)


@pytest.mark.parametrize("per_block", [1, 5])
def test_what_has_not_changed_is_called_changed_no_more_often_than_said(per_block):
    """Also where each person's own are alike, which independent answers would be called drift for."""
    rng = np.random.default_rng(1)
    naive, gaps, means = 0, 0, 0
    for look in range(200):
        own = np.repeat(rng.normal(size=100 // per_block), per_block) if per_block > 1 else 0
        values = own + rng.normal(0, 0.5, 100)
        vectors = np.stack([np.cos(values), np.sin(values)], axis=1).astype(np.float32)
        drawn = shuffle(60, 40, per_block, seed=look)
        gaps += largest_gap(values, drawn).p_value <= 0.05
        means += mean_discrepancy(vectors, drawn).p_value <= 0.05
        naive += stats.ks_2samp(values[:60], values[60:]).pvalue <= 0.05
    assert gaps <= 20 and means <= 20  # 10 expected; more than 20 once in a thousand
    assert naive > 40 or per_block == 1


@pytest.mark.parametrize(("before", "now"), [((40, 10), (40, 2)), ((28, 30), (7, 6)), ((80, 2), (20, 10))])
def test_nor_where_people_ask_less_or_more_than_before(before, now):
    """Blocks of one window are larger than those of the other: so many in each, of so many questions."""
    topic_chances = 1 / np.arange(1, 81)
    gaps, means, topics = 0, 0, 0
    recent = [False] * before[0] * before[1] + [True] * now[0] * now[1]
    blocks = [f"{is_recent} {i // (now if is_recent else before)[1]}" for i, is_recent in enumerate(recent)]
    for look in range(60):
        rng = np.random.default_rng(look)
        values = rng.normal(size=len(recent))
        vectors = np.stack([np.cos(values), np.sin(values)], axis=1).astype(np.float32)
        of_each = rng.choice(80, len(recent), p=topic_chances / topic_chances.sum())
        drawn = Shuffle(recent, blocks, [""] * len(recent), 199, look)
        gaps += largest_gap(values, drawn).p_value <= 0.05
        means += mean_discrepancy(vectors, drawn).p_value <= 0.05
        topics += on_new_topics(of_each, drawn).p_value <= 0.05
    assert max(gaps, means, topics) <= 9, (gaps, means, topics)  # 3 expected; more than 9 once in a thousand


def test_a_shift_is_found():
    rng = np.random.default_rng(2)
    values = [*rng.normal(size=60), *rng.normal(1.2, size=40)]
    vectors = np.stack([np.cos(values), np.sin(values)], axis=1).astype(np.float32)
    assert largest_gap(values, shuffle(60, 40)).p_value <= 0.01
    assert mean_discrepancy(vectors, shuffle(60, 40)).p_value <= 0.01


def test_a_topic_that_nobody_asked_about_before_is_new():
    topics = np.array([0] * 30 + [1] * 30 + [0] * 10 + [1] * 10 + [2] * 20)
    found = on_new_topics(topics, shuffle(60, 40))
    assert found.share == pytest.approx(0.5)
    assert found.by_chance < 0.05 and found.p_value <= 0.01
    assert np.flatnonzero(found.questions).tolist() == list(range(80, 100))


def test_a_topic_of_one_person_is_not():
    topics = np.array([0] * 60 + [0] * 35 + [1] * 5)
    assert on_new_topics(topics, shuffle(60, 40, per_block=5)).share == 0


def around(rng, n, subject, dim=64):
    """Return questions of one subject that are no nearer to each other than a cosine of about .36."""
    drawn = 0.8 * rng.normal(size=(n, 2, dim)) / np.sqrt(dim) * np.eye(2)[subject][:, None]
    drawn[:, subject, 0] += 0.6
    flat = drawn.reshape(n, 2 * dim)
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("other", [0, 8, 40])
def test_what_is_spread_thin_is_measured_by_what_lies_around_it(other):
    rng = np.random.default_rng(4)
    vectors = np.concatenate([around(rng, 100 - other, 0), around(rng, other, 1)])
    found = in_new_surroundings(vectors, shuffle(60, 40))
    planted = set(range(100 - other, 100)) if other > 8 else set()  # eight are not as many as are looked at
    assert found.share - found.by_chance == pytest.approx(len(planted) / 40, abs=0.05)
    assert set(np.flatnonzero(found.questions)) >= planted
    assert (found.p_value <= 0.01) is (other > 0)


def test_what_one_person_asks_is_not_around_itself():
    rng = np.random.default_rng(5)
    vectors = np.concatenate([around(rng, 60, 0), around(rng, 20, 0), around(rng, 20, 1)])
    assert in_new_surroundings(vectors, shuffle(60, 40, per_block=20)).share == 0


def test_equal_texts_do_no_harm():
    same = np.tile(np.array([[1, 0]], dtype=np.float32), (20, 1))
    assert mean_discrepancy(same, shuffle(10, 10)).p_value == 1
    assert in_new_surroundings(same, shuffle(10, 10)).p_value == 1
    assert on_new_topics(np.zeros(20, dtype=np.int64), shuffle(10, 10)).share == 0


def test_holm_asks_more_of_the_smallest():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
