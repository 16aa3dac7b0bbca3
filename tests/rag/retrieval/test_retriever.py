import numpy as np
import pytest

from rag.config import IndexConfig, RetrievalConfig
from rag.corpus.document import Chunk
from rag.errors import EmptyCorpus, UnreadableDocument
from rag.retrieval.index import METADATA, Index, build_index
from rag.retrieval.query import Query, search_text
from rag.retrieval.retriever import Candidates, Retriever, learn_dense_weight

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
    assert search_text("And when?", asked).startswith(asked[0])
    assert top(retriever, "who was that?", history=asked) == [FACTS["music.txt"][0]]


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
    again = Retriever(Index.from_files(files.__getitem__), encoder, RetrievalConfig())
    assert top(again, "soft cheese near Paris", 3) == top(
        Retriever(built, encoder, RetrievalConfig()), "soft cheese near Paris", 3
    )


def test_no_chunks_no_index(encoder):
    with pytest.raises(EmptyCorpus, match="ragloop ingest"):
        build([], encoder, IndexConfig())


def found(dense, lexical):
    as_scores = lambda values: np.array(values, dtype=np.float32)  # noqa: E731
    places = np.arange(len(dense))
    return Candidates(positions=places, dense=as_scores(dense), lexical=as_scores(lexical), windows=0 * places)


def test_the_weight_goes_to_the_scores_that_find_the_relevant_chunk():
    relevant = [np.array([0])]
    good_dense = [found([0.9, 0.5, 0.1], [1, 5, 9])]
    good_words = [found([0.1, 0.5, 0.9], [9, 5, 1])]
    assert learn_dense_weight(good_dense, relevant, default=0.4) == 0.5
    assert learn_dense_weight(good_words, relevant, default=0.4) == 0.4


def test_without_questions_the_default_weight_stays():
    assert learn_dense_weight([], [], default=0.35) == 0.35
