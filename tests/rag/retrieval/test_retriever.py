import numpy as np
import pytest

from rag.config import IndexConfig, RetrievalConfig
from rag.corpus.document import Chunk
from rag.errors import EmptyCorpus, UnreadableDocument
from rag.reranking.late_interaction import LateInteraction, StoredTokens
from rag.reranking.token_vectors import ChunkTokens
from rag.retrieval.index import METADATA, PHRASES, WINDOW_PHRASES, Index, build_index
from rag.retrieval.query import Query
from rag.retrieval.retriever import Retriever

FACTS = {
    "guide/rivers.txt": ["The Loire is the longest river of France.", "The Danube ends in the Black Sea."],
    "cheese.txt": ["Comte is a hard cheese from the Jura.", "Brie is soft and comes from near Paris."],
    "music.txt": ["Bach wrote the Goldberg Variations.", "Sibelius wrote Finlandia in 1899."],
}


def build(chunks, encoder, config):
    """Index chunks with one window each."""
    return build_index(
        chunks, [[(0, len(c.text))] for c in chunks], encoder.encode_passages([c.text for c in chunks]), config
    )


@pytest.fixture(scope="module")
def index(encoder):
    chunks = [
        Chunk(
            doc_id=name, document=name, page_no=1, chunk_index=i, char_start=0, char_end=len(t), n_tokens=9, text=t
        )
        for name, texts in FACTS.items()
        for i, t in enumerate(texts)
    ]  # fmt: skip
    return build(chunks, encoder, IndexConfig())


@pytest.fixture(scope="module")
def retriever(index, encoder):
    return Retriever(index, encoder, RetrievalConfig())


def top(retriever, question, k=1, **query):
    return [hit.chunk.text for hit in retriever.search(Query(id="q", question=question, **query), k)]


def test_a_question_finds_its_passage_by_meaning(retriever):
    assert top(retriever, "Which stream in that country has the greatest length?") == [FACTS["guide/rivers.txt"][0]]


def test_a_question_finds_its_passage_by_a_word(retriever):
    assert top(retriever, "Finlandia") == [FACTS["music.txt"][1]]


def test_ranks_count_from_one_and_scores_fall(retriever):
    hits = retriever.search(Query(id="q", question="soft cheese"), 4)
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert all(a.score >= b.score for a, b in zip(hits, hits[1:], strict=False))


def test_a_restricted_search_still_brings_k_results_of_that_document(retriever):
    assert set(top(retriever, "Bach", 2, restrict_to=("cheese.txt",))) == set(FACTS["cheese.txt"])


def test_the_last_part_of_a_documents_name_is_enough(retriever):
    assert set(top(retriever, "Bach", 2, restrict_to=("rivers.txt",))) == set(FACTS["guide/rivers.txt"])


def test_an_unknown_document_is_named(retriever):
    with pytest.raises(UnreadableDocument, match="no document is named 'wine.txt'"):
        top(retriever, "wine", restrict_to=("wine.txt",))


def test_a_follow_up_is_searched_with_the_question_before_it(retriever):
    asked = ("Who wrote the Goldberg Variations?",)
    assert top(retriever, "who was that?", history=asked) == [FACTS["music.txt"][0]]


def test_a_follow_up_with_a_subject_of_its_own_is_not_drawn_back(retriever):
    before = ("Who wrote the Goldberg Variations and other music?",)
    assert top(retriever, "Where does the Danube end?", history=before) == [FACTS["guide/rivers.txt"][1]]


class Away:
    """An expander that takes every question for one about something else."""

    def __init__(self, encoder, about):
        self._vector = encoder.encode_passages([about])[0]
        self.asked = []

    def expanded(self, text, vector):
        self.asked.append(text)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)
        return self._vector


def test_an_expander_moves_the_vector_and_not_the_words(index, encoder):
    brie = FACTS["cheese.txt"][1]
    dense = RetrievalConfig(dense_weight=1.0)
    away = Away(encoder, brie)
    assert top(Retriever(index, encoder, dense, expander=away), "Finlandia", history=("Sibelius?",)) == [brie]
    assert away.asked == ["Sibelius? Finlandia"]
    words = RetrievalConfig(dense_weight=0.0)
    assert top(Retriever(index, encoder, words, expander=away), "Finlandia") == [FACTS["music.txt"][1]]


def test_more_results_than_chunks_brings_all_chunks(retriever):
    assert len(top(retriever, "anything", 50)) == 6


def test_few_candidates_give_the_same_best_passage(index, encoder):
    small = Retriever(index, encoder, RetrievalConfig.model_construct(dense_weight=0.4, candidates=1))
    assert top(small, "Where does the Danube end?", 3)[0] == FACTS["guide/rivers.txt"][1]


@pytest.mark.parametrize("engine", ["bm25s", "rank-bm25"])
def test_an_index_comes_back_from_its_files(encoder, index, engine):
    built = build(index.chunks, encoder, IndexConfig(lexical_engine=engine))
    files = built.to_files()
    assert FACTS["music.txt"][0].encode() in files[METADATA]
    again = Retriever(Index.from_files(files.__getitem__, files), encoder, RetrievalConfig())
    assert top(again, "soft cheese near Paris", 3) == top(
        Retriever(built, encoder, RetrievalConfig()), "soft cheese near Paris", 3
    )


def test_an_index_from_before_phrases_were_kept_is_read_all_the_same(encoder, index):
    files = index.to_files()
    older = {name: data for name, data in files.items() if name not in (PHRASES, WINDOW_PHRASES)}
    old, new = (Index.from_files(kept.__getitem__, kept) for kept in (older, files))
    question = "soft cheese near Paris"
    assert old.lexical_scores(question, 0.6).tolist() == new.lexical_scores(question, 0.6).tolist()


def test_no_chunks_no_index(encoder):
    with pytest.raises(EmptyCorpus, match="ragloop ingest"):
        build([], encoder, IndexConfig())


def test_words_that_stand_together_count_more_than_words_apart(encoder):
    texts = ["The gate is golden, the bridge is long.", "The golden gate was painted.", "Bridges rust."]
    chunks = [
        Chunk(doc_id="a", document="a", page_no=1, chunk_index=i, char_start=0, char_end=len(t), n_tokens=9, text=t)
        for i, t in enumerate(texts)
    ]
    index = build(chunks, encoder, IndexConfig())
    apart = index.lexical_scores("golden gate", 0.0)
    together = index.lexical_scores("golden gate", 0.6)
    assert together[1] > apart[1]
    assert together[0] == apart[0]
    assert together.argmax() == 1


def test_the_best_of_the_mix_are_put_in_the_rerankers_order_before_the_rest(index, encoder):
    tokens = ChunkTokens.encode([c.text for c in index.chunks], index.windows, encoder)
    reranker = LateInteraction(encoder, StoredTokens(tokens), tokens.frequencies())
    config = RetrievalConfig(rerank_weight=1.0, rerank_depth=3)
    query = Query(id="q", question="Who composed Finlandia?")
    mixed = [hit.chunk.chunk_id for hit in Retriever(index, encoder, config).search(query, 6)]
    hits = Retriever(index, encoder, config, reranker).search(query, 6)
    found = [hit.chunk.chunk_id for hit in hits]
    places = np.array([[c.chunk_id for c in index.chunks].index(i) for i in mixed[:3]])
    by_reranker = [mixed[i] for i in np.argsort(-reranker.scores(query.question, places))]
    assert found == by_reranker + mixed[3:]
    assert all(a.score >= b.score for a, b in zip(hits, hits[1:], strict=False))
    assert len(Retriever(index, encoder, config, reranker).search(query, 2)) == 2


def test_a_reranker_without_a_say_changes_nothing(index, encoder):
    tokens = ChunkTokens.encode([c.text for c in index.chunks], index.windows, encoder)
    reranker = LateInteraction(encoder, StoredTokens(tokens), tokens.frequencies())
    query = Query(id="q", question="soft cheese near Paris")
    plain = Retriever(index, encoder, RetrievalConfig()).search(query, 6)
    assert Retriever(index, encoder, RetrievalConfig(), reranker).search(query, 6) == plain
