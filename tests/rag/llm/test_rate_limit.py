import pytest

from rag.llm.protocol import TooLarge
from rag.llm.rate_limit import RateLimit


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def test_requests_beyond_the_limit_wait_for_the_minute_to_pass(clock):
    limit = RateLimit(2, None, clock, clock.sleep)
    times = [limit.reserve(1).at - 1000 for _ in range(5)]
    assert times == [0, 0, 60, 60, 120]
    assert limit.waited_s == 120


def test_tokens_beyond_the_limit_wait_until_enough_have_gone_out_of_the_minute(clock):
    limit = RateLimit(None, 100, clock, clock.sleep)
    assert limit.reserve(60).at == 1000
    clock.now += 10
    assert limit.reserve(40).at == 1010
    assert limit.reserve(50).at == 1060
    assert limit.reserve(50).at == 1070


def test_what_a_request_took_counts_instead_of_what_it_might_have(clock):
    limit = RateLimit(None, 100, clock, clock.sleep)
    limit.reserve(90).tokens = 20
    assert limit.delay(80) == 0


def test_no_minute_ever_holds_more_than_the_limits(clock):
    limit = RateLimit(5, 100, clock, clock.sleep)
    sent = [limit.reserve(7 + 13 * (i % 5)) for i in range(60)]
    for one in sent:
        minute = [other for other in sent if one.at <= other.at < one.at + 60]
        assert len(minute) <= 5 and sum(other.tokens for other in minute) <= 100


def test_a_request_larger_than_the_limit_is_refused_at_once(clock):
    with pytest.raises(TooLarge, match="101 tokens, where 100 a minute"):
        RateLimit(None, 100, clock, clock.sleep).reserve(101)


def test_a_limit_that_was_told_holds_unless_a_lower_one_was_set(clock):
    learned, lower = RateLimit(None, None, clock, clock.sleep), RateLimit(None, 50, clock, clock.sleep)
    for limit in (learned, lower):
        limit.learn(None)
        limit.learn(80)
    assert learned.delay(80) == 0
    with pytest.raises(TooLarge):
        lower.delay(51)


def test_a_pause_holds_everything_back(clock):
    limit = RateLimit(None, None, clock, clock.sleep)
    limit.pause(7)
    limit.pause(3)
    assert limit.reserve(1).at == 1007
