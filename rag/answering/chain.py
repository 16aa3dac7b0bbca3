"""Generators in a row: the first that answers is heard, and who did not is named."""

import logging
from collections.abc import Generator as Iteration
from collections.abc import MutableMapping, Sequence

from pydantic import BaseModel, ConfigDict

from rag.answering.answer import Piece, Restarted, Silent, Way
from rag.answering.breaker import Breaker
from rag.answering.generator import Ending, Generator, GeneratorSilent, Request, Unsuited
from rag.config import AnsweringConfig
from rag.errors import NoGenerator, UnsuitedQuestion

logger = logging.getLogger(__name__)


class Spoken(BaseModel):
    """How an answer came about; its text is without the pieces that were void."""

    model_config = ConfigDict(frozen=True)

    text: str
    generator: str
    way: Way
    silent: tuple[Silent, ...]
    """Who did not answer, and why."""
    cut: bool


class Chain:
    """Asks one generator after the other, each behind its breaker. For several threads."""

    def __init__(
        self,
        generators: Sequence[Generator],
        silent: Sequence[Silent],
        config: AnsweringConfig,
        breakers: MutableMapping[str, Breaker] | None = None,
    ) -> None:
        """Take generators in their order, and those that could not be opened, which every answer names.

        `breakers`, by the generators' names, are what other chains know of the same generators.
        """
        self._generators, self.unopened = tuple(generators), tuple(silent)
        self.breakers: MutableMapping[str, Breaker] = {} if breakers is None else breakers
        for generator in self._generators:
            self.breakers.setdefault(generator.name, Breaker(config.breaker_failures, config.breaker_s))

    def generate(self, request: Request) -> Iteration[Piece | Restarted, None, Spoken]:
        """Yield an answer's text as it comes; `Restarted` makes void what came before it.

        :raises NoGenerator: if nobody answers to the end.
        :raises UnsuitedQuestion: if that is for the question alone.
        """
        silent, unsuited = list(self.unopened), bool(self._generators)
        for generator in self._generators:
            pieces: list[str] = []
            try:
                ending = yield from speak(generator, self.breakers[generator.name], request, pieces)
            except GeneratorSilent as failure:
                silent.append(Silent(generator=generator.name, reason=str(failure)))
                unsuited &= isinstance(failure, Unsuited)
                logger.warning("%s did not answer: %s", generator.name, failure)
                if pieces:
                    yield Restarted(silent=silent[-1])
                continue
            text, name = "".join(pieces), generator.name
            return Spoken(text=text, generator=name, way=generator.way, silent=tuple(silent), cut=ending.cut)
        raise _nobody(silent, UnsuitedQuestion if unsuited else NoGenerator)

    @property
    def names(self) -> tuple[str, ...]:
        """Of those that are asked, in their order."""
        return tuple(generator.name for generator in self._generators)

    def require_speaker(self) -> None:
        """Check that there is somebody to ask.

        :raises NoGenerator: if nobody could be opened.
        """
        if not self._generators:
            raise _nobody(self.unopened)

    def close(self) -> None:
        """Close the generators."""
        for generator in self._generators:
            generator.close()


def _nobody(silent: Sequence[Silent], kind: type[NoGenerator] = NoGenerator) -> NoGenerator:
    why = "; ".join(f"{each.generator}: {each.reason}" for each in silent)
    return kind(f"nobody could answer ({why}): name another in answering.generators, as extractive")


def speak(
    generator: Generator, breaker: Breaker, request: Request, pieces: list[str]
) -> Iteration[Piece, None, Ending]:
    """Yield what a generator says, and add it to `pieces`; its breaker hears how it went.

    :raises GeneratorSilent: if it is not asked, cannot answer, or breaks off.
    """
    if (refusal := breaker.refusal()) is not None:
        raise GeneratorSilent(refusal)
    try:
        ending = yield from _pieces(generator, request, pieces)
    except Unsuited:
        breaker.abandoned()
        raise
    except GeneratorSilent as failure:
        breaker.failed(str(failure), failure.at_once)
        raise
    except GeneratorExit:
        breaker.abandoned()
        raise
    except Exception as error:
        logger.exception("%s failed", generator.name)
        reason = f"it failed ({type(error).__name__}): see the log"
        breaker.failed(reason)
        raise GeneratorSilent(reason) from error
    breaker.succeeded()
    return ending


def _pieces(generator: Generator, request: Request, pieces: list[str]) -> Iteration[Piece, None, Ending]:
    spoken = generator.generate(request)
    try:
        while True:
            text = next(spoken)
            pieces.append(text)
            yield Piece(text=text, generator=generator.name)
    except StopIteration as end:
        ending: Ending = end.value
        if "".join(pieces).strip():
            return ending
        if ending.cut:  # as whoever asks may want it, which is no failure of the generator
            raise Unsuited("its longest answer ended before the first word: allow more tokens") from None
        raise GeneratorSilent("it answered with nothing") from None
    finally:
        spoken.close()
