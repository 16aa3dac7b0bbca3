"""A question in, a grounded answer with its sources out: retrieve, weigh, generate, check, cite, record."""

import logging
import time
import weakref
from collections.abc import Generator, Iterator

from sqlalchemy.exc import SQLAlchemyError

from rag.answering.abstention import origin_of_threshold, threshold_of
from rag.answering.answer import Answer, Done, Drawn, Event, Piece, Question, Restarted, Retrieved, Silent, Way
from rag.answering.cache import AnswerCache
from rag.answering.chain import Chain, Spoken
from rag.answering.citations import Cited
from rag.answering.exchange import Exchange
from rag.answering.generator import GeneratorSilent, Request, Unsuited
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.answering.routing import Memory
from rag.answering.sources import Found, Sources, passages_of
from rag.config import Config
from rag.feedback.recording import record_interaction
from rag.retrieval.query import Query
from rag.retrieval.retriever import Retriever
from rag.workspace import Workspace
from storage.errors import RagloopError
from storage.release import Release

logger = logging.getLogger(__name__)

_NOTHING = Cited(NOT_IN_DOCUMENTS, (), ())


class Engine:
    """Answers from one release of one collection; several threads may ask at once."""

    def __init__(
        self,
        space: Workspace,
        release: Release,
        retriever: Retriever,
        chain: Chain,
        config: Config,
        way: Way = Way.RAG,
        memory: Memory | None = None,
        records: bool = True,
    ) -> None:
        """Answer by a chain, and before it by a memory if there is one.

        :param way: of an answer for which nobody needs to speak.
        :param records: whether interactions are kept; questions that measure are none.
        """
        self.release, self.retriever, self.way = release, retriever, way
        self._database, self._chain, self._memory = space.database, chain, memory
        self._records = records
        self.sources = Sources(space, retriever, config)
        self._cache = AnswerCache(
            config.answering.cache_entries,
            lambda text: retriever.encoder.encode_queries([text])[0],
            config.answering.cache_cosine,
        )
        learned = release.lineage.get("evidence_threshold")
        self.evidence_threshold = threshold_of(learned, config.answering)
        self.threshold_from = origin_of_threshold(learned, config.answering)
        # What asks or streams holds the engine, so its generators are closed once nobody does.
        self._closing = weakref.finalize(self, chain.close)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who is asked, in their order: before all others the chat model's memory, if the release leaves that to it."""
        return (self._memory.name, *self._chain.names) if self._memory else self._chain.names

    def close(self) -> None:
        """Close the generators; it is done by itself when nobody holds the engine any more."""
        self._closing()

    def require_speaker(self) -> None:
        """Check that somebody can answer.

        :raises NoGenerator: if not.
        """
        self._chain.require_speaker()

    def ask(self, question: Question) -> Answer:
        """Return the whole answer.

        :raises UnreadableDocument: if the question is restricted to a document that is not in the release.
        :raises NoGenerator: if nobody answers.
        """
        for event in self.stream(question):
            if isinstance(event, Done):
                return event.answer
        raise AssertionError("a stream that is read to its end has an answer")

    def stream(self, question: Question, drawn: Drawn | None = None) -> Generator[Event, None, None]:
        """Yield what will be answered from, the answer as it comes, and the answer checked and cited.

        An answer that nothing was found for may have no pieces. Close the iterator to stop early; what was said so far
        is recorded all the same.

        :param drawn: the question's part in an experiment.
        :raises UnreadableDocument, NoGenerator: as `ask`.
        """
        exchange = Exchange(question, drawn)
        try:
            yield from self.events(exchange)
        finally:
            self._record(exchange)

    def known(self, question: Question) -> Answer | None:
        """Return the answer that the same question had before, if that would be given again."""
        return self._cache.get(question, self.release.id)

    def events(self, exchange: Exchange) -> Iterator[Event]:
        """Yield the same, and leave in the exchange how it went; `stream` also keeps one that breaks off.

        :raises UnreadableDocument, NoGenerator: as `ask`.
        """
        question = exchange.question
        # Where two releases are compared, none is to be fast for what was asked before the other came.
        known = None if exchange.drawn or exchange.aside else self.known(question)
        if known is not None:
            exchange.take(Found(known.hits, known.evidence))
            yield self._retrieved(exchange)
            assert known.generator is not None
            yield Piece(text=known.text, generator=known.generator)
            yield self._done(exchange, exchange.again(known))
            return

        request = Request(
            question=question.text,
            standing=exchange.standing,
            history=question.history,
            passages=(),
            sampling=question.sampling,
        )
        answer = self._from_memory(exchange, request)
        if answer is None:
            query = Query(
                id=question.id, question=question.text, history=exchange.earlier, restrict_to=question.documents
            )
            answer = yield from self._from_passages(exchange, query, request)
        else:
            yield self._retrieved(exchange)
            yield exchange.says(answer.text)
        if answer.found and not answer.cut and exchange.settled and not (exchange.drawn or exchange.aside):
            self._cache.put(question, answer)
        yield self._done(exchange, answer)

    def _from_memory(self, exchange: Exchange, request: Request) -> Answer | None:
        """Return the chat model's answer; None if the passages are to give it, and why is kept."""
        if self._memory is None or exchange.question.documents:
            return None
        try:
            with exchange.timed("memory"):
                told = self._memory.remember(request, exchange.question.id, self.sources, self.evidence_threshold)
        except GeneratorSilent as failure:
            exchange.forgot += (Silent(generator=self._memory.name, reason=str(failure)),)
            exchange.settled &= isinstance(failure, Unsuited)
            return None
        exchange.take(told.found)
        exchange.generator, exchange.cited = told.spoken.generator, told.cited
        return self._answer(exchange, told.cited, told.spoken)

    def _from_passages(self, exchange: Exchange, query: Query, request: Request) -> Generator[Event, None, Answer]:
        """Yield what is found, and what is said of it; return the answer."""
        with exchange.timed("retrieval"):
            exchange.take(self.sources.search(query, request.standing))
        yield self._retrieved(exchange)
        if exchange.evidence < self.evidence_threshold:
            return self._answer(exchange, _NOTHING, None)
        request = request.model_copy(update={"passages": passages_of(exchange.hits)})
        with exchange.timed("generation"):
            spoken, cited = yield from self._spoken(exchange, request)
        # Who stands in for another that is down for a while must not be heard once that is back.
        exchange.settled &= spoken.silent == self._chain.unopened
        return self._answer(exchange, cited, spoken)

    def _spoken(self, exchange: Exchange, request: Request) -> Generator[Piece | Restarted, None, tuple[Spoken, Cited]]:
        """Pass on what is said, cited as it comes, and keep it in case that the reader goes away."""
        speaking = self._chain.generate(request)
        citing = self.sources.citing(request)
        began = time.perf_counter()
        try:
            while True:
                event = next(speaking)
                if isinstance(event, Restarted):
                    if exchange.said:
                        yield event
                    citing, exchange.said = self.sources.citing(request), []
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
        exchange.generator, exchange.cited = spoken.generator, cited
        if not _says_something(spoken.text, cited):
            heard, cited = "".join(exchange.said), _NOTHING
            rest = NOT_IN_DOCUMENTS.removeprefix(heard)
            if not NOT_IN_DOCUMENTS.startswith(heard):
                yield Restarted(silent=Silent(generator=spoken.generator, reason="the documents do not bear it out"))
                exchange.said = []
        if rest:
            yield exchange.says(rest)
        return spoken, cited

    def _answer(self, exchange: Exchange, cited: Cited, spoken: Spoken | None) -> Answer:
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
            way=spoken.way if spoken else self.way,
            variant=exchange.variant,
            silent=(*exchange.forgot, *(spoken.silent if spoken else ())),
            cut=spoken.cut if spoken else False,
            hits=exchange.hits,
        )

    def _retrieved(self, exchange: Exchange) -> Retrieved:
        return Retrieved(id=exchange.question.id, release_id=self.release.id, hits=exchange.hits)

    def _done(self, exchange: Exchange, answer: Answer) -> Done:
        """Record the answer before it goes out, so that feedback on it finds it."""
        exchange.answer = answer.model_copy(update={"timings": exchange.seconds()})
        self._record(exchange)
        return Done(answer=exchange.answer)

    def _record(self, exchange: Exchange) -> None:
        """Keep the interaction, once; a question that could not be searched for is none."""
        if exchange.recorded or exchange.aside or not exchange.searched or not self._records:
            return
        exchange.recorded = True
        try:
            record_interaction(self._database, exchange.interaction(self.release))
        except (RagloopError, SQLAlchemyError):
            logger.exception("an answer went out whose interaction could not be kept")


def _says_something(text: str, cited: Cited) -> bool:
    """Say whether an answer rests on the documents; a model may find that they do not say, or make something up."""
    return bool(cited.citations) and not text.strip().startswith(NOT_IN_DOCUMENTS)
