from datetime import UTC, datetime, timedelta

import pytest

from rag.experiments.users import Answer, counted_users

START = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def answer(user, hour, outcome, treated=True):
    return Answer(user=user, at=START + timedelta(hours=hour), treated=treated, chance=0.5, outcome=outcome)


def test_a_user_counts_once_by_the_mean():
    users = counted_users(
        [answer("u", 0, 1), answer("u", 1, 0), answer("u", 2, None), answer("u", 3, 1)], DAY, START + DAY
    )
    assert users.outcome.tolist() == [pytest.approx(2 / 3)]
    assert users.treated.tolist() == [True]
    assert users.chance.tolist() == [0.5]


def test_a_user_enters_when_the_window_has_passed_and_then_stays_the_same():
    answers = [answer("u", 0, 1), answer("u", 23, 0), answer("u", 24, 0)]
    assert counted_users(answers, DAY, START + DAY - timedelta(seconds=1)).outcome.size == 0
    assert counted_users(answers, DAY, START + DAY).outcome.tolist() == [0.5]
    assert counted_users(answers, DAY, START + 9 * DAY).outcome.tolist() == [0.5]


def test_what_was_seen_before_is_the_beginning_of_what_is_seen_later():
    answers = [answer(f"u{i % 7}", 5 * i, i % 2, treated=i % 7 < 3) for i in range(40)]
    last = counted_users(answers, DAY, START + 30 * DAY).outcome.tolist()
    for day in range(10):
        now = START + day * DAY
        seen = counted_users([each for each in answers if each.at <= now], DAY, now).outcome.tolist()
        assert seen == last[: len(seen)]
    assert len(last) == 7


def test_users_come_in_the_order_of_their_first_answers_even_unrated_ones():
    answers = [answer("b", 2, 1), answer("a", 1, None), answer("a", 3, 0), answer("silent", 0, None)]
    assert counted_users(answers, DAY, START + 3 * DAY).outcome.tolist() == [0, 1]


def test_silence_may_count_once_the_window_has_passed():
    answers = [answer("rated", 0, 1), answer("rated", 1, None), answer("silent", 2, None), answer("late", 30, None)]
    known, worst, best = (counted_users(answers, DAY, START + 2 * DAY, silence) for silence in (None, 0, 1))
    assert [each.outcome.tolist() for each in (known, worst, best)] == [[1], [1, 0], [1, 1]]


def test_answers_of_another_variant_do_not_count():
    answers = [answer("u", 0, 1, treated=False), answer("u", 1, 0, treated=True)]
    users = counted_users(answers, DAY, START + DAY)
    assert (users.outcome.tolist(), users.treated.tolist()) == ([1], [False])
