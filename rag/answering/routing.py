"""Which questions the chat model answers from memory: where that can be trusted, and the documents still say so."""

from collections.abc import Generator as Iteration
from typing import NamedTuple, TypeVar

from rag.answering.answer import Way
from rag.answering.breaker import Breaker
from rag.answering.chain import Spoken, speak
from rag.answering.citations import Cited
from rag.answering.generator import Generator, Request, Unsuited
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.answering.sources import Found, Sources, passages_of
from rag.chat.calibration import Calibration
from rag.retrieval.query import Query

T = TypeVar("T")


class Untrusted(Unsuited):
    """It has an answer, which is not to be given; asked again, it has the same."""


class Remembered(NamedTuple):
    """An answer from memory that the documents bear out."""

    spoken: Spoken
    cited: Cited
    found: Found


class Memory:
    """A chat model that is asked before any passage is looked for. For several threads."""

    def __init__(self, generator: Generator, breaker: Breaker, calibration: Calibration) -> None:
        """Take a generator whose endings have a confidence."""
        self.name = generator.name
        self._generator, self._breaker, self._calibration = generator, breaker, calibration

    def recall(self, request: Request) -> str:
        """Return what the chat model says, if its calibrated confidence can be trusted.

        :raises Untrusted: if it cannot, or the chat model does not know.
        :raises GeneratorSilent: if it fails.
        """
        pieces: list[str] = []
        ending = _end(speak(self._generator, self._breaker, request, pieces))
        text, confidence = "".join(pieces).strip(), ending.confidence or 0.0
        if text.startswith(NOT_IN_DOCUMENTS):
            raise Untrusted("it says that it does not know")
        if not self._calibration.trusts(confidence):
            raise Untrusted(f"its confidence {confidence:.2f} promises less than the passages do")
        if ending.cut:
            raise Untrusted("its answer has no end")
        return text

    def remember(self, request: Request, id_: str, sources: Sources, least_evidence: float) -> Remembered:
        """Return the chat model's answer, tied to the documents as they are now.

        It is looked for in them by what it says (post-hoc attribution: Gao et al. 2023, RARR). So a fact that changed
        or was deleted since the training is not given, nor one that is true but has nothing to do with the question.

        :param request: without passages.
        :param id_: the question's.
        :raises GeneratorSilent: if it has none to give; the message says why.
        """
        said = self.recall(request)
        found = sources.search(Query(id=id_, question=said, expanded=False), request.standing)
        citing = sources.citing(request.model_copy(update={"passages": passages_of(found.hits)}))
        citing.add(said)
        _, cited = citing.end()
        if not sources.hold(cited):
            raise Untrusted("the documents do not, or no longer, say what it says")
        if found.evidence < least_evidence:
            raise Untrusted("what it says hardly bears on the question")
        spoken = Spoken(text=said, generator=self.name, way=Way.CLOSED_BOOK, silent=(), cut=False)
        return Remembered(spoken, cited, found)


def _end(speaking: Iteration[object, None, T]) -> T:
    """Return what a generator returns."""
    while True:
        try:
            next(speaking)
        except StopIteration as end:
            value: T = end.value
            return value
