"""A question in, a grounded answer with its sources out: retrieve, weigh, generate, check, cite, record."""

import logging
import time
import weakref
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from rag.answering.abstention import PRIOR_THRESHOLD, Evidence
from rag.answering.answer import Answer, Done, Event, Piece, Question, Restarted, Retrieved, Silent, Turn
from rag.answering.cache import AnswerCache
from rag.answering.chain import Chain, Spoken
from rag.answering.citations import Cited, Citing
from rag.answering.generator import Passage, Request
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.answering.rarity import Rarity
from rag.answering.spans import Origins
from rag.answering.support import Support
from rag.config import Config
from rag.feedback.recording import record_interaction
from rag.feedback.signals import Interaction
from rag.feedback.signals import Retrieved as RetrievedChunk
from rag.pairs.follow_ups import standing_question
from rag.retrieval.query import Query
from rag.retrieval.retriever import Hit, Retriever
from rag.workspace import Workspace
from storage.errors import RagloopError
from storage.release import Release

logger = logging.getLogger(__name__)

_TURNS = TypeAdapter(tuple[Turn, ...])
_NOTHING = Cited(NOT_IN_DOCUMENTS, (), ())


class Engine:
    """Answers from one release of one collection; several threads may ask at once."""

    def __init__(self, space: Workspace, release: Release, retriever: Retriever, chain: Chain, config: Config) -> None:
        self.release, self.retriever = release, retriever
        self._database, self._chain, self._config = space.database, chain, config.answering
        rarity = Rarity(retriever.index)
        self._evidence, self._support = Evidence(retriever, rarity), Support(rarity)
        self._origins = Origins(space.artifacts, space.database, config.chunking)
        self._cache = AnswerCache(
            config.answering.cache_entries,
            lambda text: retriever.encoder.encode_queries([text])[0],
            config.answering.cache_cosine,
        )
        learned = release.lineage.get("evidence_threshold")
        self.evidence_threshold = next(
            each for each in (config.answering.evidence_threshold, learned, PRIOR_THRESHOLD) if each is not None
        )
        # What asks or streams holds the engine, so its generators are closed once nobody does.
        self._closing = weakref.finalize(self, chain.close)

    def close(self) -> None:
        """Close the generators; it is done by itself when nobody holds the engine any more."""
        self._closing()

    def ask(self, question: Question) -> Answer:
        """Return the whole answer.

        :raises UnreadableDocument: if the question is restricted to a document that is not in the release.
        :raises NoGenerator: if nobody answers.
        """
        for event in self.stream(question):
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("a stream that is read to its end has an answer")

    def stream(self, question: Question) -> Generator[Event, None, None]:
        """Yield what will be answered from, the answer as it comes, and the answer checked and cited.

        An answer that nothing was found for may have no pieces. Close the iterator to stop early; what was said so far
        is recorded all the same.

        :raises UnreadableDocument, NoGenerator: as `ask`.
        """
        exchange = _Exchange(question)
        try:
            yield from self._events(exchange)
        finally:
            self._record(exchange)

    def _events(self, exchange: "_Exchange") -> Iterator[Event]:
        question = exchange.question
        known = self._cache.get(question, self.release.id)
        if known is not None:
            exchange.hits, exchange.searched = known.hits, True
            yield self._retrieved(exchange)
            assert known.generator is not None
            own = {"id": question.id, "question": question.text, "cached": True}
            yield Piece(text=known.text, generator=known.generator)
            yield self._done(exchange, known.model_copy(update=own))
            return

        with exchange.timed("retrieval"):
            asked = tuple(turn.content for turn in question.history if turn.role == "user")
            query = Query(id=question.id, question=question.text, history=asked, restrict_to=question.documents)
            hits = tuple(self.retriever.search(query, self._config.passages))
            exchange.hits, exchange.searched = hits, True
            standing = (standing_question(question.text, asked) if asked else None) or question.text
            exchange.evidence = self._evidence.of(standing, hits)
        yield self._retrieved(exchange)
        if exchange.evidence < self.evidence_threshold:
            yield self._done(exchange, self._answer(exchange, _NOTHING, None))
            return

        passages = tuple(Passage(number=hit.rank, hit=hit) for hit in hits)
        request = Request(question=question.text, standing=standing, history=question.history, passages=passages)
        with exchange.timed("generation"):
            spoken, cited = yield from self._spoken(exchange, request)
        answer = self._answer(exchange, cited, spoken)
        # Who stands in for another that is down for a while must not be heard once that is back.
        if answer.found and not answer.cut and answer.silent == self._chain.unopened:
            self._cache.put(question, answer)
        yield self._done(exchange, answer)

    def _spoken(
        self, exchange: "_Exchange", request: Request
    ) -> Generator[Piece | Restarted, None, tuple[Spoken, Cited]]:
        """Pass on what is said, cited as it comes, and keep it in case that the reader goes away."""
        speaking = self._chain.generate(request)
        citing = self._citing(request)
        began = time.perf_counter()
        try:
            while True:
                event = next(speaking)
                if isinstance(event, Restarted):
                    if exchange.said:
                        yield event
                    citing, exchange.said = self._citing(request), []
                    exchange.silent.append(event.silent)
                elif text := citing.add(event.text):
                    exchange.timings.setdefault("first_piece", time.perf_counter() - began)
                    exchange.generator = event.generator
                    yield exchange.says(text)
        except StopIteration as end:
            spoken: Spoken = end.value
        finally:
            speaking.close()
        rest, cited = citing.end()
        exchange.generator = spoken.generator
        if not _says_something(spoken.text, cited):
            heard, cited = "".join(exchange.said), _NOTHING
            rest = NOT_IN_DOCUMENTS.removeprefix(heard)
            if not NOT_IN_DOCUMENTS.startswith(heard):
                yield Restarted(silent=Silent(generator=spoken.generator, reason="the documents do not bear it out"))
                exchange.said = []
        if rest:
            yield exchange.says(rest)
        return spoken, cited

    def _citing(self, request: Request) -> Citing:
        return Citing(request.standing, request.passages, self._support, self._origins)

    def _answer(self, exchange: "_Exchange", cited: Cited, spoken: Spoken | None) -> Answer:
        supports = [statement.support for statement in cited.statements]
        return Answer(
            id=exchange.question.id,
            collection=self.release.collection,
            release_id=self.release.id,
            question=exchange.question.text,
            text=cited.text,
            statements=cited.statements,
            citations=cited.citations,
            found=cited is not _NOTHING,
            support=round(sum(supports) / len(supports), 4) if supports else 0.0,
            evidence=exchange.evidence,
            generator=spoken.generator if spoken else None,
            silent=spoken.silent if spoken else (),
            cut=spoken.cut if spoken else False,
            hits=exchange.hits,
        )

    def _retrieved(self, exchange: "_Exchange") -> Retrieved:
        return Retrieved(id=exchange.question.id, release_id=self.release.id, hits=exchange.hits)

    def _done(self, exchange: "_Exchange", answer: Answer) -> Done:
        """Record the answer before it goes out, so that feedback on it finds it."""
        timings = {**exchange.timings, "total": time.perf_counter() - exchange.began}
        exchange.answer = answer.model_copy(update={"timings": {name: round(s, 4) for name, s in timings.items()}})
        self._record(exchange)
        return Done(answer=exchange.answer)

    def _record(self, exchange: "_Exchange") -> None:
        """Keep the interaction, once; a question that could not be searched for is none."""
        if exchange.recorded or not exchange.searched:
            return
        exchange.recorded = True
        try:
            record_interaction(self._database, exchange.interaction(self.release))
        except (RagloopError, SQLAlchemyError):
            logger.exception("an answer went out whose interaction could not be kept")


def _says_something(text: str, cited: Cited) -> bool:
    """Say whether an answer rests on the documents; a model may find that they do not say, or make something up."""
    return bool(cited.citations) and not text.strip().startswith(NOT_IN_DOCUMENTS)


@dataclass
class _Exchange:
    """A question on its way to its answer."""

    question: Question
    began: float = field(default_factory=time.perf_counter)
    hits: tuple[Hit, ...] = ()
    evidence: float = 0.0
    said: list[str] = field(default_factory=list)
    generator: str | None = None
    silent: list[Silent] = field(default_factory=list)
    answer: Answer | None = None
    timings: dict[str, float] = field(default_factory=dict)
    searched: bool = False
    recorded: bool = False

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note the seconds that a step takes, whether it ends well or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings[step] = time.perf_counter() - began

    def says(self, text: str) -> Piece:
        """Return more of the answer, and keep it."""
        self.said.append(text)
        return Piece(text=text, generator=self.generator or "")

    def interaction(self, release: Release) -> Interaction:
        """Return what is kept of it, as far as it got."""
        answer, said = self.answer, "".join(self.said)
        told: dict[str, Any] = (
            {
                **answer.model_dump(include={"generator", "found", "support", "silent", "cached", "timings"}),
                "answer": answer.text,
                "citations": [c.model_dump(exclude={"document", "page_no", "quote"}) for c in answer.citations],
            }
            if answer
            else {
                "answer": said or None,
                "generator": self.generator,
                "silent": [silent.model_dump() for silent in self.silent],
                "timings": {name: round(s, 4) for name, s in self.timings.items()},
            }
        )
        return Interaction(
            id=self.question.id,
            collection=release.collection,
            release_id=release.id,
            question=self.question.text,
            history=_TURNS.dump_json(self.question.history).decode() if self.question.history else None,
            retrieved=tuple(
                RetrievedChunk(chunk_id=hit.chunk.chunk_id, rank=hit.rank, score=hit.score) for hit in self.hits
            ),
            user_fingerprint=self.question.user_fingerprint,
            **told,
        )
