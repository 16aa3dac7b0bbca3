"""Whom a breaker lets through; the clock is ours, so that nobody waits."""

import pytest

from rag.answering.breaker import Breaker, BreakerState


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(failures=3, open_s=30, clock=clock)


def fail(breaker, n=1, at_once=False):
    for _ in range(n):
        assert breaker.refusal() is None
        breaker.failed("no answer", at_once)


def test_it_opens_after_failures_in_a_row_and_says_why(breaker):
    fail(breaker, 2)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker)
    assert breaker.state is BreakerState.OPEN
    assert breaker.refusal() == "not asked for another 30 s: no answer"


def test_a_success_between_failures_begins_the_count_anew(breaker):
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert breaker.refusal() is None


def test_one_failure_that_lasts_opens_it_at_once(breaker):
    fail(breaker, at_once=True)
    assert breaker.state is BreakerState.OPEN


def test_after_its_time_a_single_probe_is_let_through(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.refusal() is None
    assert breaker.refusal() == "not asked until another question has tried it: no answer"


def test_a_probe_that_succeeds_closes_it(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    assert breaker.refusal() is None
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    assert breaker.refusal() is None


def test_a_probe_that_fails_opens_it_for_as_long_again(breaker, clock):
    fail(breaker, 3)
    clock.now += 31
    fail(breaker)
    clock.now += 29
    assert breaker.state is BreakerState.OPEN
    clock.now += 1
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_whose_reader_went_away_lets_the_next_one_try(breaker, clock):
    fail(breaker, 3)
    clock.now += 30
    assert breaker.refusal() is None
    breaker.abandoned()
    assert breaker.refusal() is None


def test_failures_of_questions_from_before_do_not_keep_it_open_longer(breaker, clock):
    for _ in range(4):
        assert breaker.refusal() is None
    for _ in range(3):
        breaker.failed("no answer")
    clock.now += 20
    breaker.failed("no answer")
    clock.now += 10
    assert breaker.state is BreakerState.HALF_OPEN
