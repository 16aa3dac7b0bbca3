"""Groq, or a server that speaks its protocol."""

import json
import re
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import httpx
from groq import APIConnectionError, APIError, APIStatusError, APITimeoutError, Groq
from pydantic import BaseModel, ValidationError

from rag.errors import LanguageModelUnavailable
from rag.llm.protocol import Completion, Outcome, Prompt, TooLarge, Transient

DEFAULT_MODEL = "openai/gpt-oss-20b"
_AGAIN = frozenset({408, 409, 425, 429, 498})
"""Statuses, besides those of the server's own failures, after which the same request may succeed."""
_TOO_LARGE = re.compile(r"Limit (\d+),(?: Used \d+,)? Requested (\d+)")
_TRY_AGAIN = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|[dhms]))+)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class _Said(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Said
    finish_reason: str


class _Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int


class _Answer(BaseModel):
    """Of the body of an answer what is needed."""

    choices: list[_Choice]
    usage: _Usage


class GroqProvider:
    """Sends each prompt as one request. The client's own retries are off, so that every request is counted."""

    name = "groq"

    def __init__(
        self,
        api_key: str,
        base_url: str,
        model: str | None,
        at_once: int,
        timeout_s: float,
        max_wait_s: float,
        read_s: float | None = None,
        setting: str = "synthesis.llm",
    ) -> None:
        """Make a client; nothing is sent yet.

        :param read_s: longest wait for the next part of an answer; `timeout_s`, that of a whole one, unless given.
        :param setting: where the config says what is asked, for the remedies.
        """
        self.model = model or DEFAULT_MODEL
        self.at_once = at_once
        self.tokens_per_minute: int | None = None
        self.context_tokens: int | None = None
        self._timeout_s, self._max_wait_s, self._setting = timeout_s, max_wait_s, setting
        self._read_s = read_s or timeout_s
        timeout = httpx.Timeout(self._read_s, connect=min(self._read_s, 10.0))
        self._client = Groq(api_key=api_key, base_url=base_url, max_retries=0, timeout=timeout)

    def count_tokens(self, prompt: Prompt) -> int:
        """See `Provider`."""
        return prompt.tokens - prompt.max_tokens

    def complete(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Outcome]]:
        """See `Provider`. JSON comes in one piece, since Groq streams no JSON; text is streamed."""
        with ThreadPoolExecutor(max(1, len(prompts))) as pool:
            places = {pool.submit(self._complete, prompt): place for place, prompt in enumerate(prompts)}
            for future in as_completed(places):
                yield places[future], future.result()

    def stream(self, prompt: Prompt) -> Generator[str, None, Completion]:
        """See `Provider`."""
        begun = time.monotonic()
        pieces: list[str] = []
        finish: str | None = None
        usage: Any = None
        try:
            with self._client.chat.completions.create(**self._request(prompt), stream=True) as stream:
                self._learn(stream.response.headers)
                for chunk in stream:
                    usage = (chunk.x_groq and chunk.x_groq.usage) or chunk.usage or usage
                    for choice in chunk.choices:
                        finish = choice.finish_reason or finish
                        if choice.delta.content:
                            pieces.append(choice.delta.content)
                            yield choice.delta.content
                    if time.monotonic() - begun > self._timeout_s:
                        raise Transient(f"the answer took over {self._timeout_s:g} s", unmetered=True)
        except (APIError, httpx.HTTPError, ValueError, AttributeError, TypeError) as error:
            raise self._failure(error) from error
        if finish is None or usage is None:
            raise Transient("the answer was cut off", unmetered=True)
        return Completion(
            text="".join(pieces),
            tokens_in=usage.prompt_tokens,
            tokens_out=usage.completion_tokens,
            truncated=finish == "length",
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _complete(self, prompt: Prompt) -> Outcome:
        try:
            return self._answer(prompt) if prompt.as_json else _drain(self.stream(prompt))
        except (Transient, TooLarge, LanguageModelUnavailable) as failure:
            return failure

    def _answer(self, prompt: Prompt) -> Completion:
        json_mode: Any = {"type": "json_object"}
        try:
            raw = self._client.chat.completions.with_raw_response.create(
                **self._request(prompt), response_format=json_mode
            )
            self._learn(raw.headers)
            answer = _Answer.model_validate_json(raw.read())
            choice = answer.choices[0]
        except (ValidationError, IndexError) as error:
            raise Transient("the answer is not what the protocol says", unmetered=True, garbled=True) from error
        except (APIError, httpx.HTTPError) as error:
            raise self._failure(error) from error
        return Completion(
            text=choice.message.content,
            tokens_in=answer.usage.prompt_tokens,
            tokens_out=answer.usage.completion_tokens,
            truncated=choice.finish_reason == "length",
        )

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [message._asdict() for message in prompt.messages],
            "max_completion_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
        }
        if prompt.top_p is not None:
            request["top_p"] = prompt.top_p
        if "gpt-oss" in self.model:  # it thinks before it answers, and every thought is paid
            request |= {"reasoning_effort": "low", "include_reasoning": False}
        return request

    def _learn(self, headers: Mapping[str, str]) -> None:
        limit = headers.get("x-ratelimit-limit-tokens", "")
        if limit.isdigit() and int(limit) > 0:
            self.tokens_per_minute = int(limit)

    def _failure(self, error: Exception) -> Transient | TooLarge | LanguageModelUnavailable:
        """Return what an error of the client means for the prompt, or for the run."""
        if isinstance(error, APITimeoutError | httpx.TimeoutException):
            return Transient(f"no answer within {self._read_s:g} s", unmetered=True)
        if isinstance(error, APIConnectionError):
            return Transient(f"Groq cannot be reached ({type(error.__cause__ or error).__name__})")
        if isinstance(error, APIStatusError):
            return self._refusal(error)
        if isinstance(error, httpx.HTTPError):
            return Transient(f"the answer was cut off ({type(error).__name__})", unmetered=True)
        return Transient(f"the answer broke off: {_one_line(str(error))}", unmetered=True)

    def _refusal(self, error: APIStatusError) -> Transient | TooLarge | LanguageModelUnavailable:
        status, (said, code) = error.status_code, _said(error.body)
        limits = _TOO_LARGE.search(said)
        if status == 413 or (status == 429 and limits and int(limits[2]) > int(limits[1])):
            return TooLarge(f"Groq refuses the request as too large: {said}", int(limits[1]) if limits else None)
        if status in (401, 403):
            return LanguageModelUnavailable(f"Groq refuses the key ({status}): check RAGLOOP_GROQ_API_KEY")
        if status == 404 or code in ("model_not_found", "model_decommissioned"):
            return LanguageModelUnavailable(
                f"Groq has no model {self.model} for this key: set another with {self._setting}.model"
            )
        if code == "json_validate_failed":
            return Transient("the model wrote no valid JSON", unmetered=True, garbled=True)
        if status in _AGAIN or status >= 500:
            return self._later(status, said, error.response.headers)
        return LanguageModelUnavailable(f"Groq refuses the request ({status}): {said}: correct {self._setting}")

    def _later(self, status: int, said: str, headers: Mapping[str, str]) -> Transient | LanguageModelUnavailable:
        wait_s = _retry_after(headers, said)
        when = "run it again later" if wait_s is None else f"run it again in {_readable(wait_s)}"
        if "per day" in said:
            quota = f"Groq's quota for the day is used up for {self.model}"
            return LanguageModelUnavailable(f"{quota}: {when}")
        if wait_s is not None and wait_s > self._max_wait_s:
            return LanguageModelUnavailable(f"Groq asks to wait {_readable(wait_s)}: {when}")
        return Transient(f"Groq answers {status}: {said}", wait_s)


def _drain(stream: Generator[str, None, Completion]) -> Completion:
    """Return a stream's completion."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            completion: Completion = end.value
            return completion


def _said(body: object) -> tuple[str, str]:
    """Return the message and the code of an error's body."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return _one_line(str(error)), ""
    return _one_line(str(error.get("message") or json.dumps(error))), str(error.get("code") or "")


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def _retry_after(headers: Mapping[str, str], said: str) -> float | None:
    """Return the seconds that a refusal asks to wait, from its header or else its message."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        found = _TRY_AGAIN.search(said)
    return sum(float(n) * _UNITS_S[unit] for n, unit in _SPAN.findall(found[1])) if found else None


def _readable(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
