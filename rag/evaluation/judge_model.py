"""The language model as ragas asks it to judge: one request at a time of each, metered, and bounded in all ways."""

import asyncio
import logging
import re
from typing import Any, TypeVar

from instructor.core.exceptions import InstructorError
from openai import APIConnectionError, APIStatusError, APITimeoutError, AsyncOpenAI, Timeout
from pydantic import BaseModel
from ragas.llms import llm_factory
from ragas.llms.base import InstructorBaseRagasLLM

from rag.config import JudgeConfig, JudgeProvider
from rag.evaluation.judge import JudgeEndpoint
from rag.llm.bill import Bill, cost_usd
from rag.llm.protocol import Message, Prompt, TooLarge
from rag.llm.rate_limit import RateLimit

logger = logging.getLogger(__name__)

Judged = TypeVar("Judged", bound=BaseModel)
_AGAIN = frozenset({408, 409, 425, 429, 498})
"""Statuses, besides those of the server's own failures, after which the same request may succeed."""
_GROQ_A_MINUTE = 30
"""Requests that Groq's free keys may send."""
_VERDICTS = frozenset({"verdict", "attributed", "noncommittal"})
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,60}")
"""What a server may call an error."""


class NoJudgement(Exception):
    """The judge has nothing to say; the message tells why, in one line."""


class _Failure(Exception):
    """What came of one request."""

    def __init__(self, reason: str, wait_s: float | None = None, garbled: bool = False, last: bool = False) -> None:
        """Say why; `garbled` is an answer of no use, after the `last` the same request is not sent again."""
        super().__init__(reason)
        self.wait_s, self.garbled, self.last = wait_s, garbled, last


class JudgeModel(InstructorBaseRagasLLM):  # type: ignore[misc]
    """Asks the judge. All retries are its own, so that every request is counted. For one event loop."""

    def __init__(self, endpoint: JudgeEndpoint, config: JudgeConfig) -> None:
        """Make a client; nothing is sent yet."""
        self._endpoint, self._config = endpoint, config
        a_minute = _GROQ_A_MINUTE if config.provider is JudgeProvider.GROQ else None
        self._limit = RateLimit(config.requests_per_minute or a_minute, config.tokens_per_minute)
        self._client = AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key.get_secret_value(),
            max_retries=0,
            timeout=Timeout(config.timeout_s, connect=min(config.timeout_s, 10.0)),
        )
        sampling = {"temperature": config.temperature, "top_p": 1.0, "max_tokens": config.max_tokens}
        self._llm = llm_factory(
            endpoint.model, client=self._client, max_retries=0, **sampling, **_thinking(endpoint.model)
        )
        self._llm.client.on("completion:response", self._meter)
        logging.getLogger("instructor").setLevel(logging.CRITICAL)  # it logs as errors what is asked again here
        self.bill = Bill()
        """What all requests so far have taken."""
        self.ever_answered = False
        """Whether any answer came, of use or not."""
        self.stopped: str | None = None
        """Why it is asked no further."""

    def cost_usd(self, bill: Bill) -> float | None:
        """Return what the tokens of a bill cost; Groq's prices hold for Groq alone."""
        model, prices = self._endpoint.model, self._config.prices
        if self._config.provider is not JudgeProvider.GROQ and model not in prices:
            return None
        return cost_usd("", model, bill, prices)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def generate(self, prompt: str, response_model: type[Judged]) -> Judged:
        """Not used: all metrics ask asynchronously."""
        raise NotImplementedError

    async def agenerate(self, prompt: str, response_model: type[Judged]) -> Judged:
        """Return the judge's answer to a prompt of ragas.

        :raises NoJudgement: if no attempt gave one of use, or the judge is asked no further.
        """
        self._count(prompts=1)
        try:
            answer = await self._answered(prompt, response_model)
        except NoJudgement:
            self._count(given_up=1)
            raise
        self._count(answered=1)
        return answer

    async def _answered(self, prompt: str, response_model: type[Judged]) -> Judged:
        """Ask until an answer is of use.

        :raises NoJudgement: as `agenerate`.
        """
        for attempt in range(1, self._config.attempts + 1):
            if self.stopped:
                raise NoJudgement(f"not asked: {self.stopped}")
            await self._turn(prompt)
            try:
                return await self._ask(prompt, response_model)
            except _Failure as failure:
                if failure.last or attempt == self._config.attempts:
                    raise NoJudgement(self.stopped or str(failure)) from failure
                if not failure.garbled:
                    backoff_s = self._config.backoff_s * 2 ** (attempt - 1)
                    self._limit.pause(backoff_s if failure.wait_s is None else failure.wait_s)
                logger.debug("asking the judge again: %s", failure)
                self._count(retries=1)
        raise AssertionError("there is at least one attempt")

    async def _turn(self, prompt: str) -> None:
        """Wait until the limits allow a request."""
        asked = Prompt(messages=(Message("user", prompt),), max_tokens=self._config.max_tokens, temperature=0)
        try:
            while (seconds := self._limit.delay(asked.tokens)) > 0:
                await asyncio.sleep(seconds)
            self._limit.reserve(asked.tokens)
        except TooLarge as refused:
            raise NoJudgement(str(refused)) from None

    async def _ask(self, prompt: str, response_model: type[Judged]) -> Judged:
        """Send one request."""
        self._count(requests=1, unmetered=1)
        try:
            async with asyncio.timeout(self._config.timeout_s):
                answer: Judged = await self._llm.agenerate(prompt, response_model)
        except TimeoutError:
            raise _Failure(f"no answer within {self._config.timeout_s:g} s") from None
        except InstructorError as error:
            raise self._failure(error.__cause__ or error) from error
        self.ever_answered = True
        _check(answer)
        return answer

    def _failure(self, error: BaseException) -> _Failure:
        """Return what an error of the client means; one that asking further cannot mend stops the judge."""
        if isinstance(error, APITimeoutError):
            return _Failure(f"no answer within {self._config.timeout_s:g} s")
        if isinstance(error, APIConnectionError):
            return _Failure(f"{self._endpoint.base_url} cannot be reached ({type(error.__cause__ or error).__name__})")
        if not isinstance(error, APIStatusError):
            self.ever_answered = True
            return _Failure("the answer is not what was asked for", garbled=True)
        status, said = error.status_code, _told(error)
        if status in _AGAIN or status >= 500:
            return self._later(said, error)
        if error.code == "json_validate_failed":
            self.ever_answered = True
            return _Failure("the model wrote no valid JSON", garbled=True)
        if status in (401, 403):
            self.stopped = f"the judge refuses the key ({status}): check {self._endpoint.key_setting}"
        elif status == 404:
            self.stopped = f"{self._endpoint.base_url} has no model {self._endpoint.model}: set another in judge.model"
        return _Failure(f"the judge refuses the request: {said}", last=True)

    def _later(self, said: str, error: APIStatusError) -> _Failure:
        try:
            wait_s = max(0.0, float(error.response.headers["retry-after"]))
        except (KeyError, ValueError):
            return _Failure(said)
        if wait_s > self._config.max_wait_s:
            self.stopped = f"the judge asks to wait {wait_s:.0f} s: run it again then"
        return _Failure(said, wait_s, last=self.stopped is not None)

    def _meter(self, response: Any) -> None:
        """Add what a response says that it took."""
        usage = getattr(response, "usage", None)
        if usage is not None:
            self._count(unmetered=-1, tokens_in=usage.prompt_tokens, tokens_out=usage.completion_tokens)

    def _count(self, **counts: int) -> None:
        self.bill = self.bill.plus(counts)


def _check(answer: BaseModel) -> None:
    """See that an answer says something: ragas would count an empty one, or a verdict of 7, as a score.

    :raises _Failure: if it does not.
    """
    for name, value in answer:
        if isinstance(value, list) and not value:
            raise _Failure(f"the answer has no {name}", garbled=True)
        if name == "question" and not str(value).strip():
            raise _Failure("the answer has an empty question", garbled=True)
        if name in _VERDICTS and value not in (0, 1):
            raise _Failure(f"the answer has a {name} of {value}, which is to be 0 or 1", garbled=True)
        for part in value if isinstance(value, list) else ():
            if isinstance(part, BaseModel):
                _check(part)


def _thinking(model: str) -> dict[str, Any]:
    """Return what to ask of a model that thinks before it answers: every thought is paid."""
    return {"reasoning_effort": "low"} if "gpt-oss" in model else {}


def _told(error: APIStatusError) -> str:
    """Return the status and the error's name: its message may repeat the question and the passages."""
    names = [f" ({name})" for name in (error.code, error.type) if isinstance(name, str) and _NAME.fullmatch(name)]
    return f"error {error.status_code}{''.join(names[:1])}"
