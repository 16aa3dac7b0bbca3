"""Whether a generator is worth asking now: a circuit breaker (Nygard 2007)."""

import time
from collections.abc import Callable
from enum import StrEnum
from threading import Lock


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """Everybody is let through."""
    OPEN = "open"
    """Nobody is."""
    HALF_OPEN = "half-open"
    """One is, to see whether it works again."""


class Breaker:
    """Counts failures in a row, and keeps questions away after too many. For several threads.

    Who was let through reports how it went: `succeeded`, `failed` or `abandoned`.
    """

    def __init__(self, failures: int, open_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin closed; it opens for `open_s` after so many failures in a row."""
        self._failures, self._open_s, self._clock = failures, open_s, clock
        self._lock = Lock()
        self._in_a_row = 0
        self._opened_at: float | None = None
        self._probing = False
        self._reason = ""

    @property
    def state(self) -> BreakerState:
        """Where it stands."""
        with self._lock:
            if self._opened_at is None:
                return BreakerState.CLOSED
            return BreakerState.OPEN if self._left_s() > 0 else BreakerState.HALF_OPEN

    def refusal(self) -> str | None:
        """Return why the caller may not ask; None lets it through, as the only probe if it is half open."""
        with self._lock:
            if self._opened_at is None:
                return None
            if (left_s := self._left_s()) > 0:
                return f"not asked for another {left_s:.0f} s: {self._reason}"
            if self._probing:
                return f"not asked until another question has tried it: {self._reason}"
            self._probing = True
            return None

    def succeeded(self) -> None:
        """Close: it works."""
        with self._lock:
            self._in_a_row, self._opened_at, self._probing = 0, None, False

    def failed(self, reason: str, at_once: bool = False) -> None:
        """Count a failure; a probe's opens it again, and `at_once` opens it whatever came before."""
        with self._lock:
            self._in_a_row += 1
            open_already = self._opened_at is not None and not self._probing
            if not open_already and (at_once or self._probing or self._in_a_row >= self._failures):
                self._opened_at, self._reason = self._clock(), reason
            self._probing = False

    def abandoned(self) -> None:
        """Take back a question that ended before anybody knew whether it works."""
        with self._lock:
            self._probing = False

    def _left_s(self) -> float:
        """Return for how long it stays open; it must not be closed."""
        assert self._opened_at is not None
        return self._opened_at + self._open_s - self._clock()
