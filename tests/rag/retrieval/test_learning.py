import numpy as np
import pytest

from rag.config import Expansion, IndexConfig, RetrievalConfig
from rag.corpus.document import Chunk
from rag.retrieval.index import build_index
from rag.retrieval.learning import Question, learn_retrieval, standard_error

SUBJECTS = "valve pump boiler sensor fuse relay filter burner hose clamp gauge lever".split()
ACTIONS = "opens closes warms reads breaks".split()
TEXTS = [
    f"The {subject} {action} with {subject[0]}{i:02d}." for i, subject in enumerate(SUBJECTS) for action in ACTIONS
]
ANSWERED = range(0, len(TEXTS), 2)


class Meaning:
    """An embedder that knows which passage a question means, or has no idea."""

    def __init__(self, knows: float) -> None:
        self._draw = np.random.default_rng(7)
        self._knows = knows
        self.passages = self._unit(self._draw.normal(size=(len(TEXTS), 16)))
        self._meant = dict(zip(map(asked_in_words, ANSWERED), ANSWERED, strict=True))
        self._meant |= zip(map(asked_in_other_words, ANSWERED), ANSWERED, strict=True)

    def encode_queries(self, texts):
        noise = self._draw.normal(size=(len(texts), 16))
        return self._unit(self._knows * self.passages[[self._meant[t] for t in texts]] + (1 - self._knows) * noise)

    def _unit(self, vectors):
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


class Oracle:
    """A reranker that is right, or always wrong."""

    def __init__(self, right: bool) -> None:
        self._right = right

    def scores(self, query, chunks):
        meant = Meaning(1)._meant[query]
        return np.asarray((chunks == meant) == self._right, dtype=np.float32)


def asked_in_words(place):
    return TEXTS[place].removesuffix(".")


def asked_in_other_words(place):
    return f"zzz{place}"


def index_of(embedder):
    chunks = [
        Chunk(doc_id="d", document="d", page_no=1, chunk_index=i, char_start=0, char_end=len(t), n_tokens=9, text=t)
        for i, t in enumerate(TEXTS)
    ]
    return build_index(chunks, [[(0, len(t))] for t in TEXTS], embedder.passages, IndexConfig())


def document_of(place):
    return f"about {SUBJECTS[place // len(ACTIONS)]}"


def learned(embedder, asked, reranker=None, depth=0, expanders=None):
    questions = [Question(asked(place), np.array([place]), document_of(place)) for place in ANSWERED]
    return learn_retrieval(index_of(embedder), embedder, reranker, depth, questions, RetrievalConfig(), expanders or {})


def test_the_weight_goes_to_the_score_that_finds_the_answers():
    words = learned(Meaning(knows=0.2), asked_in_words).config.dense_weight
    meaning = learned(Meaning(knows=1.0), asked_in_other_words).config.dense_weight
    assert words < 0.5 < meaning


def test_what_is_learned_is_never_below_a_single_part_on_the_questions():
    for embedder, asked in (
        (Meaning(0.0), asked_in_words),
        (Meaning(1.0), asked_in_other_words),
        (Meaning(0.5), asked_in_words),
    ):
        found = learned(embedder, asked, Oracle(right=False), depth=10)
        chosen = "reranked" if found.config.rerank_depth else "mix"
        if found.config.dense_weight in (0.0, 1.0):
            chosen = {0.0: "bm25", 1.0: "dense"}[found.config.dense_weight]
        assert found.validation[chosen] == max(found.validation.values())


def test_a_reranker_stays_only_where_the_questions_agree():
    embedder = Meaning(knows=0.5)
    right = learned(embedder, asked_in_words, Oracle(right=True), depth=10)
    wrong = learned(embedder, asked_in_words, Oracle(right=False), depth=10)
    assert right.config.rerank_depth == 10
    assert right.config.rerank_weight > wrong.config.rerank_weight
    assert right.validation["reranked"] >= wrong.validation["reranked"]


def test_without_questions_the_prior_weights_are_taken():
    index = index_of(Meaning(knows=1.0))
    unanswered = [Question(asked_in_words(0), np.array([], dtype=np.int64), "d")]
    for questions in ([], unanswered):
        config = learn_retrieval(index, Meaning(knows=1.0), None, 0, questions, RetrievalConfig()).config
        assert (config.phrase_weight, config.rerank_depth) == (0.6, 0)
        assert config.dense_weight == pytest.approx(5 / 9, abs=1e-3)
    config = learn_retrieval(index, Meaning(knows=1.0), Oracle(right=True), 10, [], RetrievalConfig()).config
    assert (config.rerank_weight, config.rerank_depth) == (pytest.approx(6 / 15, abs=1e-3), 10)


def test_few_questions_move_the_weights_less_than_many():
    embedder = Meaning(knows=1.0)
    index = index_of(embedder)
    questions = [Question(asked_in_other_words(place), np.array([place]), document_of(place)) for place in ANSWERED]
    few, many = (
        learn_retrieval(index, embedder, Oracle(right=True), 10, questions[:n], RetrievalConfig()).config
        for n in (2, len(questions))
    )
    assert many.rerank_weight >= few.rerank_weight == pytest.approx(6 / 15, abs=0.1)


class Insight:
    """An expander that knows what is meant, for the questions of some documents, and leaves the others as they are."""

    def __init__(self, documents):
        self._knows, self._meaning = documents, Meaning(1)

    def expanded(self, text, vector):
        meant = self._meaning._meant[text]
        return self._meaning.passages[meant] if document_of(meant) in self._knows else vector


class Confusion:
    """An expander that moves every question to the same place."""

    def expanded(self, text, vector):
        return Meaning(1).passages[1]


EVERYWHERE = {document_of(place) for place in ANSWERED}


def test_an_expander_is_kept_where_it_helps_the_questions_of_many_documents():
    found = learned(
        Meaning(knows=0.3), asked_in_other_words, expanders={Expansion.RELEVANCE_FEEDBACK: Insight(EVERYWHERE)}
    )
    assert found.config.expansion is Expansion.RELEVANCE_FEEDBACK
    assert found.validation["relevance-feedback"] == 1.0 > found.validation["mix"]


def test_an_expander_that_helps_a_single_document_or_none_is_not_kept():
    for expander in (Insight({document_of(0)}), Insight(set()), Confusion()):
        found = learned(Meaning(knows=0.3), asked_in_other_words, expanders={Expansion.RELEVANCE_FEEDBACK: expander})
        assert found.config.expansion is Expansion.NONE
        assert "relevance-feedback" in found.validation


def test_a_dearer_expander_must_beat_the_cheaper_one():
    insight = Insight(EVERYWHERE)
    twins = {Expansion.RELEVANCE_FEEDBACK: insight, Expansion.MULTI_QUERY: insight}
    assert learned(Meaning(0.3), asked_in_other_words, expanders=twins).config.expansion is Expansion.RELEVANCE_FEEDBACK
    better = {Expansion.RELEVANCE_FEEDBACK: Confusion(), Expansion.MULTI_QUERY: insight}
    assert learned(Meaning(0.3), asked_in_other_words, expanders=better).config.expansion is Expansion.MULTI_QUERY


def test_what_is_re_scored_is_what_the_kept_expander_finds():
    insight = {Expansion.RELEVANCE_FEEDBACK: Insight(EVERYWHERE)}
    found = learned(Meaning(0.0), asked_in_other_words, Oracle(right=True), 10, insight)
    assert (found.config.expansion, found.config.rerank_depth) == (Expansion.RELEVANCE_FEEDBACK, 10)
    assert (
        found.validation["reranked"]
        == 1.0
        > learned(Meaning(0.0), asked_in_other_words, Oracle(right=True), 10).validation["reranked"]
    )


def test_an_expansion_that_was_set_is_tried_again_like_the_others():
    index, embedder = index_of(Meaning(0.3)), Meaning(0.3)
    questions = [Question(asked_in_other_words(place), np.array([place]), document_of(place)) for place in ANSWERED]
    config = RetrievalConfig(expansion=Expansion.RELEVANCE_FEEDBACK)
    found = learn_retrieval(index, embedder, None, 0, questions, config, {Expansion.RELEVANCE_FEEDBACK: Confusion()})
    assert found.config.expansion is Expansion.NONE


def test_the_standard_error_counts_documents_and_not_their_questions():
    values = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    apart = standard_error(values, list("abcdef"))
    assert apart == pytest.approx(values.std(ddof=1) / 6**0.5)
    assert standard_error(values, list("aaabbb")) > apart
    assert standard_error(values, ["a"] * 6) == float("inf")
