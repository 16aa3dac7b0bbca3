"""How many requests a key may make."""

from time import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from app.api.errors import RateExceeded


class Rates:
    """Counts requests by key, in this process, over a window that slides."""

    def __init__(self, per_minute: int) -> None:
        """Allow so many a minute; 0 for any number."""
        self._limit = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, key_id: str) -> None:
        """Count one request.

        :raises RateExceeded: if it is one too many.
        """
        if self._limit is None or self._limiter.hit(self._limit, key_id):
            return
        wait_s = max(1, round(self._limiter.get_window_stats(self._limit, key_id).reset_time - time()))
        raise RateExceeded(f"more than {self._limit.amount} requests in a minute: wait {wait_s} s", wait_s)
