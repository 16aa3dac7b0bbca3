"""A question answered aside, by the engine that answers people, to show how that came about."""

from collections.abc import Iterator
from textwrap import shorten

from rag.answering.answer import Answer, Done, Question, Restarted
from rag.answering.engine import Engine
from rag.answering.exchange import Exchange
from rag.answering.explanation import Explanation, Heard, Restriction, Searched, Seen, Weight, Word
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.config.retrieval import Expansion
from rag.errors import NoGenerator
from rag.pairs.vocabulary import STOPWORDS
from rag.retrieval.retriever import Ranking
from rag.retrieval.stages import stages

SHOWN = 8
"""Best passages."""
_BEGINNING = 200
"""Characters of a passage."""


def explain(engine: Engine, question: Question) -> Explanation:
    """Return why a question is answered as it is.

    It is answered anew, whatever the cache has, by whoever the release asks; nothing is kept of it.

    :raises UnreadableDocument: if the question is restricted to a document that is not in the release.
    """
    exchange = Exchange(question, aside=True)
    answer: Answer | None = None
    failure: str | None = None
    void: dict[str, str] = {}
    try:
        for event in engine.events(exchange):
            if isinstance(event, Restarted):
                void[event.silent.generator] = "".join(exchange.said)
            elif isinstance(event, Done):
                answer = event.answer
    except NoGenerator as nobody:
        failure = str(nobody)
    ranking, known = exchange.ranking, engine.known(question)
    assert ranking is not None, "what is answered aside is searched for"
    words = tuple(_words(engine, exchange.standing))
    told = Explanation(
        question=question.text,
        collection=engine.release.collection,
        release_id=engine.release.id,
        models=_models(engine),
        retrieval=engine.retriever.config.model_dump(
            include={"dense_weight", "phrase_weight", "rerank_weight", "rerank_depth"}
        ),
        generators=engine.speakers,
        searched=_searched(engine, exchange, ranking),
        words=words,
        missing=tuple(word.word for word in words if not (word.passages or word.common)),
        passages=tuple(_passages(engine, exchange, ranking, answer)),
        restriction=_restriction(engine, exchange, ranking) if question.documents else None,
        weight=_weight(engine, exchange),
        heard=tuple(_heard(exchange, answer, void)),
        statements=exchange.cited.statements if exchange.cited else (),
        text=answer.text if answer else None,
        found=answer is not None and answer.found,
        way=answer.way if answer else None,
        cached=known.text if known else None,
        failure=failure,
        timings=exchange.seconds(),
    )
    return told.diagnosed()


def _models(engine: Engine) -> dict[str, str]:
    release = engine.release
    parts = {
        "embedder": release.embedder,
        "index": release.index,
        "reranker": release.reranker,
        "chat model": release.chat_model,
    }
    return {name: ref.uri for name, ref in parts.items() if ref is not None}


def _searched(engine: Engine, exchange: Exchange, ranking: Ranking) -> Searched:
    expanded = ranking.query.expanded
    return Searched(
        standing=exchange.standing,
        texts=dict(ranking.query.weighted_texts),
        expansion=engine.retriever.config.expansion if expanded else Expansion.NONE,
    )


def _words(engine: Engine, text: str) -> list[Word]:
    rarity = engine.sources.rarity
    weights = rarity.terms(text)
    by_stem = {stem: word for word, stem in reversed(rarity.words(text))}
    found = [
        Word(
            word=by_stem[stem],
            weight=round(weight, 4),
            passages=rarity.n_holding(by_stem[stem]),
            common=by_stem[stem] in STOPWORDS,
        )
        for stem, weight in weights.items()
    ]
    return sorted(found, key=lambda word: (word.common, -word.weight, word.passages))


def _passages(engine: Engine, exchange: Exchange, ranking: Ranking, answer: Answer | None) -> Iterator[Seen]:
    index = engine.retriever.index
    windows = dict(zip(ranking.candidates.positions.tolist(), ranking.candidates.windows.tolist(), strict=True))
    numbers = {hit.chunk.chunk_id: hit.rank for hit in exchange.hits}
    citations = answer.citations if answer else ()
    for seen in stages(ranking, max(SHOWN, len(exchange.hits))):
        chunk = index.chunks[seen.position]
        cited = [each for each in citations if each.chunk_id == chunk.chunk_id]
        window = " ".join(index.window_text(seen.position, windows[seen.position]).split())
        yield Seen(
            number=numbers.get(chunk.chunk_id),
            citations=tuple(each.number for each in cited),
            passage=" … ".join(each.quote for each in cited) or shorten(window, _BEGINNING, placeholder=" …"),
            **chunk.model_dump(include={"document", "page_no", "doc_id", "char_start", "char_end"}),
            chunk_id=chunk.chunk_id,
            **{stage: getattr(seen, stage) for stage in ("words", "meaning", "mixed", "reranked", "final")},
        )


def _weight(engine: Engine, exchange: Exchange) -> Weight:
    parts = engine.sources.evidence.weighed(exchange.standing, exchange.hits)
    return Weight(
        evidence=exchange.evidence,
        words=round(parts.words, 4),
        cosine=round(parts.cosine, 4),
        threshold=engine.evidence_threshold,
        threshold_from=engine.threshold_from,
    )


def _restriction(engine: Engine, exchange: Exchange, ranking: Ranking) -> Restriction:
    """Return what naming documents left out, and whether that would have answered where they do not."""
    index = engine.retriever.index
    allowed = engine.retriever.allowed(ranking.query)
    assert allowed is not None, "the question names documents"
    named = {index.chunks[place].document for place in allowed.tolist()}
    elsewhere = None
    if exchange.evidence < engine.evidence_threshold:
        found = engine.sources.search(ranking.query.model_copy(update={"restrict_to": ()}), exchange.standing)
        others = [hit.chunk.document for hit in found.hits if hit.chunk.document not in named]
        if others and found.evidence >= engine.evidence_threshold:
            elsewhere = others[0], found.evidence
    return Restriction(
        documents=tuple(sorted(named)),
        looked_in=len(allowed),
        left_out=len(index.chunks) - len(allowed),
        elsewhere=elsewhere[0] if elsewhere else None,
        elsewhere_evidence=elsewhere[1] if elsewhere else None,
    )


def _heard(exchange: Exchange, answer: Answer | None, void: dict[str, str]) -> Iterator[Heard]:
    """Yield who was asked or could not be, in their order, and who answered last."""
    silent = answer.silent if answer else (*exchange.forgot, *exchange.silent)
    for each in silent:
        yield Heard(generator=each.generator, said=void.get(each.generator), reason=each.reason)
    if answer is None or answer.generator is None or exchange.cited is None:
        return
    said, reason = exchange.cited.text, None
    if not answer.found:
        nothing = said.startswith(NOT_IN_DOCUMENTS)
        reason = "it finds no answer in them" if nothing else "they do not bear out what it said"
    yield Heard(generator=answer.generator, said=said, reason=reason)
