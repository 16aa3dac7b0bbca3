"""Language models as generators of answers, Groq's and local ones alike; and what the chains of a process share."""

import logging
from collections.abc import Generator as Iteration
from threading import Lock

from rag.answering.answer import Way
from rag.answering.generator import Ending, GeneratorSilent, Request, Unsuited
from rag.answering.pacing import Bounds, paced
from rag.answering.prompts import Template, build_prompt
from rag.config import AnsweringConfig, AnswerModelConfig
from rag.errors import ConfigError, LanguageModelUnavailable
from rag.llm.bill import Bill
from rag.llm.protocol import Completion, Prompt, Provider, TooLarge, Transient
from rag.llm.rate_limit import RateLimit

logger = logging.getLogger(__name__)


class AnsweringModel:
    """A provider that people wait for: within its limits, asked once, counted. For several threads.

    Answers are kept by the interactions alone, so the ledger of the prompts for training hears nothing of them.
    """

    def __init__(self, provider: Provider, config: AnswerModelConfig) -> None:
        """Take a provider into use; it is closed with this."""
        self.provider, self.config = provider, config
        self._limit = RateLimit(config.requests_per_minute, config.tokens_per_minute)
        self._lock = Lock()
        self._bill = Bill()

    @property
    def bill(self) -> Bill:
        """All that was asked since this process began."""
        with self._lock:
            return self._bill

    def stream(self, prompt: Prompt) -> Iteration[str, None, Completion]:
        """Yield the answer's text as it comes.

        :raises GeneratorSilent: if there is none, or it breaks off.
        """
        counted = {"prompts": 1}
        try:
            self._reserve(prompt)
            counted |= {"requests": 1, "unmetered": 1}
            completion = yield from self.provider.stream(prompt)
            counted |= {"answered": 1, "unmetered": 0}
            counted |= {"tokens_in": completion.tokens_in, "tokens_out": completion.tokens_out}
        except Transient as failure:
            counted["unmetered"] = int(failure.unmetered)
            raise GeneratorSilent(str(failure), at_once=failure.wait_s is not None) from failure
        except TooLarge as failure:
            counted["unmetered"] = 0
            raise Unsuited(str(failure)) from failure
        except (LanguageModelUnavailable, ConfigError) as failure:
            counted["unmetered"] = 0
            raise GeneratorSilent(str(failure), at_once=True) from failure
        finally:
            self._count(counted)
        logger.info("%s: %d tokens in, %d out", self.provider.name, completion.tokens_in, completion.tokens_out)
        return completion

    def close(self) -> None:
        """Close the provider."""
        self.provider.close()

    def _reserve(self, prompt: Prompt) -> None:
        """Count a request within the minute's limits; nobody waits for the next minute.

        :raises Transient: if they are reached.
        :raises TooLarge: if they never allow it.
        """
        with self._lock:
            if (wait_s := self._limit.delay(prompt.tokens)) > 0:
                raise Transient(f"its config allows no more this minute, for another {wait_s:.0f} s")
            self._limit.reserve(prompt.tokens)

    def _count(self, counted: dict[str, int]) -> None:
        with self._lock:
            self._bill = self._bill.plus(counted)


class ModelGenerator:
    """Answers with a language model, by a template."""

    way = Way.RAG

    def __init__(self, name: str, model: AnsweringModel, template: Template, config: AnsweringConfig) -> None:
        """Take a model that others use too, and that is closed with what they share."""
        self.name = name
        self._model, self._template = model, template
        self._bounds = Bounds(config.first_piece_s, config.gap_s, config.total_s)
        self._prompt_tokens = config.prompt_tokens

    def generate(self, request: Request) -> Iteration[str, None, Ending]:
        """See `Generator`."""
        config, provider = request.sampling.of_model(self._model.config), self._model.provider
        room = self._prompt_tokens
        if context := provider.context_tokens:
            config = config.model_copy(update={"max_tokens": min(config.max_tokens, context // 2)})
            room = min(room, context - config.max_tokens)
        try:
            prompt = build_prompt(self._template, request, config, room, provider.count_tokens)
        except TooLarge as refused:
            raise Unsuited(str(refused)) from refused
        completion = yield from paced(self._model.stream(prompt), self._bounds)
        return Ending(cut=completion.truncated)

    def close(self) -> None:
        """See `Generator`."""
