"""What each stage of a search made of a passage, held against that stage alone."""

import numpy as np
import pytest

from rag.config import IndexConfig, RetrievalConfig
from rag.reranking.late_interaction import LateInteraction, StoredTokens
from rag.reranking.token_vectors import ChunkTokens
from rag.retrieval.query import Query
from rag.retrieval.retriever import Retriever
from rag.retrieval.stages import stages
from tests.chunks import chunk_of
from tests.rag.retrieval.test_retriever import FACTS, Away, build

QUERY = Query(id="q", question="Which soft cheese comes from near Paris?")


@pytest.fixture(scope="module")
def index(encoder):
    texts = [text for facts in FACTS.values() for text in facts]
    return build([chunk_of(text, doc_id=f"{n}.txt") for n, text in enumerate(texts)], encoder, IndexConfig())


def by_rank(found, stage):
    """Return position and score of what a stage saw, best first."""
    seen = [(getattr(each, stage), each.position) for each in found if getattr(each, stage)]
    assert sorted(place.rank for place, _ in seen) == list(range(1, len(seen) + 1))
    return [(position, place.score) for place, position in sorted(seen, key=lambda one: one[0].rank)]


def test_each_stage_has_its_own_order_and_scores(index, encoder):
    retriever = Retriever(index, encoder, RetrievalConfig(dense_weight=0.7))
    found = stages(retriever.ranking(QUERY, 3), 6)
    assert len(found) == 6
    lexical = index.lexical_scores(QUERY.question, 0.0)
    cosines, _ = index.vectors.best_windows(encoder.encode_queries([QUERY.question])[0], np.arange(6))
    words, meaning = by_rank(found, "words"), by_rank(found, "meaning")
    assert [place for place, _ in words] == [p for p in np.argsort(-lexical, kind="stable") if lexical[p] > 0]
    assert 0 < len(words) < 6
    assert [place for place, _ in meaning] == list(np.argsort(-cosines))
    assert [score for _, score in meaning] == pytest.approx(np.sort(cosines)[::-1], abs=1e-3)
    assert by_rank(found, "mixed") == by_rank(found, "final")
    assert all(each.reranked is None for each in found)


def test_the_last_stage_is_the_search_itself(index, encoder):
    tokens = ChunkTokens.encode([c.text for c in index.chunks], index.windows, encoder)
    reranker = LateInteraction(encoder, StoredTokens(tokens), tokens.frequencies())
    retriever = Retriever(index, encoder, RetrievalConfig(rerank_weight=1.0, rerank_depth=3), reranker)
    found = stages(retriever.ranking(QUERY, 2), 6)
    hits = retriever.search(QUERY, 6)
    told = by_rank(found, "final")
    assert [index.chunks[position].chunk_id for position, _ in told] == [hit.chunk.chunk_id for hit in hits]
    assert [score for _, score in told] == pytest.approx([hit.score for hit in hits], abs=1e-4)
    head = [position for position, _ in by_rank(found, "mixed")[:3]]
    scores = reranker.scores(QUERY.question, np.array(head))
    reranked = by_rank(found, "reranked")
    assert [position for position, _ in reranked] == [head[i] for i in np.argsort(-scores)]
    assert [score for _, score in reranked] == pytest.approx(np.sort(scores)[::-1], abs=1e-3)


def test_what_another_stage_holds_best_is_shown_with_the_best(index, encoder):
    brie, finlandia = FACTS["cheese.txt"][1], FACTS["music.txt"][1]
    words_alone = Retriever(index, encoder, RetrievalConfig(dense_weight=0.0), expander=Away(encoder, brie))
    query = Query(id="q", question="Finlandia")
    best, other = stages(words_alone.ranking(query, 1), 1, of_each=1)
    assert [index.chunks[each.position].text for each in (best, other)] == [finlandia, brie]
    assert (best.words.rank, best.final.rank, other.meaning.rank, other.words) == (1, 1, 1, None)
