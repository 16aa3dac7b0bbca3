"""A language model as the rest of ragloop asks it: metered, within its limits, and never twice for one answer."""

import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from tqdm import tqdm

from rag.config import LanguageModelConfig
from rag.errors import LanguageModelUnavailable
from rag.llm.bill import Bill, cost_usd
from rag.llm.ledger import Ledger, Record
from rag.llm.protocol import Completion, Outcome, Prompt, Provider, TooLarge, Transient
from rag.llm.rate_limit import RateLimit, Sent

logger = logging.getLogger(__name__)

T = TypeVar("T")
_LOST_IN_A_ROW = 3
"""Prompts in a row that no attempt got through, from which the provider counts as out of reach."""
_USELESS = 8
"""Prompts given up, before any was answered, from which the model counts as not fit for what it is asked."""


class Ask(NamedTuple, Generic[T]):
    """A prompt, and what makes something of its answer's text; ValueError says that it is of no use."""

    prompt: Prompt
    parse: Callable[[str], T]
    about: tuple[str, ...] = ()
    """Ids of the documents that the prompt quotes."""


class Unanswered(NamedTuple):
    """Why a prompt has no answer."""

    reason: str
    too_large: bool = False
    """It may be asked in smaller parts."""


class _Pending(NamedTuple, Generic[T]):
    place: int
    ask: Ask[T]
    digest: str
    attempt: int
    """From 1."""

    def again(self, outcome: Outcome, max_tokens: int) -> "_Pending[T]":
        """Return what to send next; an answer that was cut short may be twice as long then. The digest stays."""
        ask = self.ask
        if isinstance(outcome, Completion) and outcome.truncated:
            longer = max(ask.prompt.max_tokens, min(2 * ask.prompt.max_tokens, max_tokens))
            ask = ask._replace(prompt=ask.prompt.model_copy(update={"max_tokens": longer}))
        return self._replace(ask=ask, attempt=self.attempt + 1)


class LanguageModel:
    """A provider with its ledger, its limits and its bill. Not for several threads."""

    def __init__(
        self, provider: Provider, ledger: Ledger, config: LanguageModelConfig, limit: RateLimit | None = None
    ) -> None:
        """Take a provider into use; `limit` is that of the config unless given."""
        self.provider = provider
        self.config = config
        self._ledger = ledger
        self._limit = limit or RateLimit(config.requests_per_minute, config.tokens_per_minute)
        self._billed: dict[str, Record] = {}
        self._answered: set[str] = set()
        self._reused: set[str] = set()
        self._given_up: set[str] = set()
        self._lost_in_a_row = 0

    @property
    def bill(self) -> Bill:
        """All prompts asked for so far, with what their answers took in this run and in earlier ones."""
        records = self._billed.values()
        return Bill(
            prompts=len(self._billed),
            answered=len(self._answered),
            reused=len(self._reused),
            given_up=len(self._given_up),
            requests=sum(record.requests for record in records),
            retries=sum(max(0, record.requests - 1) for record in records),
            waited_s=round(self._limit.waited_s, 1),
            tokens_in=sum(record.tokens_in for record in records),
            tokens_out=sum(record.tokens_out for record in records),
            unmetered=sum(record.unmetered for record in records),
        )

    @property
    def cost_usd(self) -> float | None:
        """What the bill's tokens cost; None if the model has no known price."""
        return cost_usd(self.provider.name, self.provider.model, self.bill, self.config.prices)

    def stream(self, prompt: Prompt) -> Generator[str, None, Completion]:
        """Yield an answer's text as it comes, for somebody who waits: sent once, within the limits, and billed.

        :raises Transient: if it breaks off.
        :raises TooLarge: if the prompt is larger than the provider takes.
        :raises LanguageModelUnavailable: if asking further is of no use.
        """
        digest = prompt.digest(self.provider.name, self.provider.model)
        sent = self._limit.reserve(prompt.tokens)
        try:
            completion = yield from self.provider.stream(prompt)
        except Transient as failure:
            self._count(digest, {"requests": 1, "unmetered": int(failure.unmetered)})
            raise
        sent.tokens = completion.tokens_in + completion.tokens_out
        self._count(digest, _took(completion))
        return completion

    def ask_all(self, asks: Sequence[Ask[T]], what: str) -> list[T | Unanswered]:
        """Return what was made of each answer, in order, or why there is none. `what` names the work on the bar.

        An answer that is in the ledger is not asked for again. What fails is sent again within the config's bounds.

        :raises LanguageModelUnavailable: if asking further is of no use; what was answered is in the ledger.
        """
        results: dict[int, T | Unanswered] = {}
        queue: deque[_Pending[T]] = deque()
        twins: list[tuple[_Pending[T], int]] = []
        first: dict[str, int] = {}
        for place, ask in enumerate(asks):
            pending = _Pending(place, ask, ask.prompt.digest(self.provider.name, self.provider.model), 1)
            known = self._from_ledger(pending)
            if known is not None:
                results[place] = known
            elif first.setdefault(pending.digest, place) == place:
                queue.append(pending)
            else:
                twins.append((pending, first[pending.digest]))
        with tqdm(total=len(asks), initial=len(results), desc=what, delay=2, disable=None) as bar:
            while queue:
                self._send(*self._next_batch(queue, results), queue, results)
                bar.update(len(results) - bar.n)
        for pending, place in twins:
            known = self._from_ledger(pending)
            results[pending.place] = results[place] if known is None else known
        return [results[place] for place in range(len(asks))]

    def close(self) -> None:
        """Give back what the provider holds."""
        self.provider.close()

    def _send(
        self,
        batch: list[_Pending[T]],
        sent: list[Sent],
        queue: deque[_Pending[T]],
        results: dict[int, T | Unanswered],
    ) -> None:
        """Ask a batch; each answer is kept before the next is looked at, and all are before a failure is raised."""
        failure: LanguageModelUnavailable | None = None
        for place, outcome in self.provider.complete([pending.ask.prompt for pending in batch]) if batch else ():
            try:
                settled = self._settle(batch[place], sent[place], outcome)
            except LanguageModelUnavailable as error:
                failure = error
                continue
            if settled is None:
                queue.append(batch[place].again(outcome, self.config.max_tokens))
            else:
                results[batch[place].place] = settled
        self._limit.learn(self.provider.tokens_per_minute)
        if failure is not None:
            raise failure

    def _from_ledger(self, pending: _Pending[T]) -> T | Unanswered | None:
        """Return what the ledger knows of a prompt; None if it is to be asked."""
        record = self._billed.setdefault(pending.digest, self._ledger.read(pending.digest))
        if record.text is not None:
            try:
                value = pending.ask.parse(record.text)
            except ValueError:
                return None
            if pending.digest not in self._answered:
                self._reused.add(pending.digest)
            self._answered.add(pending.digest)
            return value
        if record.garbled >= self.config.attempts:
            self._given_up.add(pending.digest)
            return Unanswered(f"{record.garbled} answers were of no use")
        return None

    def _next_batch(
        self, queue: deque[_Pending[T]], results: dict[int, T | Unanswered]
    ) -> tuple[list[_Pending[T]], list[Sent]]:
        """Take from the queue what may be sent now, waiting for the first of it."""
        batch: list[_Pending[T]] = []
        sent: list[Sent] = []
        while queue and len(batch) < self.provider.at_once:
            tokens = queue[0].ask.prompt.tokens
            try:
                if batch and self._limit.delay(tokens) > 0:
                    break
                sent.append(self._limit.reserve(tokens))
            except TooLarge as refused:
                results[queue.popleft().place] = Unanswered(str(refused), too_large=True)
                continue
            batch.append(queue.popleft())
        return batch, sent

    def _settle(self, pending: _Pending[T], sent: Sent, outcome: Outcome) -> T | Unanswered | None:
        """Keep what came of a request; None if it is to be sent again.

        :raises LanguageModelUnavailable: if asking further is of no use.
        """
        if isinstance(outcome, LanguageModelUnavailable):
            self._count(pending.digest, {"requests": 1})
            raise LanguageModelUnavailable(f"{outcome}; what was answered is kept") from outcome
        if isinstance(outcome, TooLarge):
            sent.tokens = 0
            self._limit.learn(outcome.limit)
            self._count(pending.digest, {"requests": 1})
            return Unanswered(str(outcome), too_large=True)
        if isinstance(outcome, Transient):
            counts = {"requests": 1, "unmetered": int(outcome.unmetered), "garbled": int(outcome.garbled)}
            self._count(pending.digest, counts)
            return self._again(pending, str(outcome), outcome.wait_s, lost=not outcome.garbled)
        self._lost_in_a_row = 0
        sent.tokens = outcome.tokens_in + outcome.tokens_out
        try:
            if outcome.truncated:
                raise ValueError(f"the answer is longer than {pending.ask.prompt.max_tokens} tokens")
            value = pending.ask.parse(outcome.text)
        except ValueError as error:
            self._count(pending.digest, {**_took(outcome), "garbled": 1})
            return self._again(pending, str(error), wait_s=0.0, lost=False)
        self._count(pending.digest, _took(outcome), outcome.text, pending.ask.about)
        self._answered.add(pending.digest)
        return value

    def _again(self, pending: _Pending[T], reason: str, wait_s: float | None, lost: bool) -> Unanswered | None:
        """Return None if a prompt is to be sent again, after a pause; else why it is given up."""
        first_line = reason.splitlines()[0] if reason else "no reason given"
        if max(pending.attempt, self._billed[pending.digest].garbled) < self.config.attempts:
            pause = self.config.backoff_s * 2 ** (pending.attempt - 1) if wait_s is None else wait_s
            self._limit.pause(pause)
            logger.info("asking again in %.1f s: %s", pause, first_line)
            return None
        self._given_up.add(pending.digest)
        logger.warning("gave a prompt up after %d attempts: %s", pending.attempt, first_line)
        self._lost_in_a_row = self._lost_in_a_row + 1 if lost else 0
        if not self._answered and len(self._given_up) >= _USELESS:
            raise LanguageModelUnavailable(
                f"none of {len(self._given_up)} prompts got a usable answer from {self.provider.model} ({first_line}): "
                "choose another model with synthesis.llm.model"
            )
        if self._lost_in_a_row >= _LOST_IN_A_ROW:
            raise LanguageModelUnavailable(
                f"{self._lost_in_a_row} prompts in a row got no answer from {self.provider.name} ({first_line}): "
                "run it again when it can be reached; what was answered is kept"
            )
        return Unanswered(first_line)

    def _count(
        self, digest: str, counts: Mapping[str, int], text: str | None = None, about: tuple[str, ...] = ()
    ) -> None:
        """Add to what a prompt took, on the disk at once."""
        record = self._billed.get(digest) or self._ledger.read(digest)
        self._billed[digest] = record.plus(counts, text, about)
        self._ledger.write(digest, self._billed[digest])


def _took(completion: Completion) -> dict[str, int]:
    return {"requests": 1, "tokens_in": completion.tokens_in, "tokens_out": completion.tokens_out}
