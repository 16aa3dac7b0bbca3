"""How many requests and tokens a minute may be sent, over a sliding minute."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rag.llm.protocol import TooLarge

_WINDOW_S = 60.0


@dataclass
class Sent:
    """A request of the last minute, with the tokens that are counted for it."""

    at: float
    tokens: int


class RateLimit:
    """Says when the next request may be sent. Not for several threads."""

    def __init__(
        self,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin with an empty minute; None is no limit."""
        self._requests, self._tokens = requests_per_minute, tokens_per_minute
        self._clock, self._sleep = clock, sleep
        self._sent: deque[Sent] = deque()
        self._open_at = 0.0
        self.waited_s = 0.0

    def learn(self, tokens_per_minute: int | None) -> None:
        """Take over a limit that the provider has told, unless a lower one holds."""
        if tokens_per_minute:
            self._tokens = min(self._tokens or tokens_per_minute, tokens_per_minute)

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._open_at = max(self._open_at, self._clock() + seconds)

    def delay(self, tokens: int) -> float:
        """Return after how many seconds a request of so many tokens may be sent.

        :raises TooLarge: if it never may.
        """
        if self._tokens is not None and tokens > self._tokens:
            reason = f"a request of about {tokens} tokens, where {self._tokens} a minute are allowed"
            raise TooLarge(reason, self._tokens)
        now = self._clock()
        while self._sent and self._sent[0].at <= now - _WINDOW_S:
            self._sent.popleft()
        opens = self._open_at
        if self._requests is not None and len(self._sent) >= self._requests:
            opens = max(opens, self._sent[len(self._sent) - self._requests].at + _WINDOW_S)
        if self._tokens is not None:
            surplus = sum(sent.tokens for sent in self._sent) + tokens - self._tokens
            for sent in self._sent:
                if surplus <= 0:
                    break
                surplus -= sent.tokens
                opens = max(opens, sent.at + _WINDOW_S)
        return max(0.0, opens - now)

    def reserve(self, tokens: int) -> Sent:
        """Wait until a request of so many tokens may be sent, and count it.

        :raises TooLarge: if it never may.
        """
        while (seconds := self.delay(tokens)) > 0:
            self.waited_s += seconds
            self._sleep(seconds)
        sent = Sent(self._clock(), tokens)
        self._sent.append(sent)
        return sent
