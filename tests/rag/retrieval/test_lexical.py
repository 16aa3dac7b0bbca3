import numpy as np
import pytest

from rag.errors import ConfigError
from rag.retrieval.lexical import Analyzer, Bm25s, RankBm25, lexical_engine

TEXTS = [
    "The lung stands outside and the hearth inside.",
    "A muster takes twenty minutes; musters run at night.",
    "Lamp code L-14 asks for a clean sieve.",
    "Nothing of interest is said here about anything.",
    "",
]


def test_a_compound_counts_whole_and_in_parts():
    assert Analyzer()("Code L-14!") == ["code", "l-14", "l", "14"]


@pytest.mark.parametrize("engine", [Bm25s, RankBm25])
def test_the_text_with_the_words_comes_first(engine):
    index = engine.build(TEXTS)
    assert int(index.scores("when do musters run").argmax()) == 1
    assert int(index.scores("l-14").argmax()) == 2


@pytest.mark.parametrize("engine", [Bm25s, RankBm25])
def test_unknown_words_score_nothing(engine):
    assert not engine.build(TEXTS).scores("xylophone the").any()


@pytest.mark.parametrize("engine", [Bm25s, RankBm25])
def test_an_index_comes_back_from_its_bytes(engine):
    index = engine.build(TEXTS)
    again = engine.from_bytes(index.to_bytes())
    np.testing.assert_allclose(again.scores("clean the sieve at night"), index.scores("clean the sieve at night"))


@pytest.mark.parametrize("engine", [Bm25s, RankBm25])
def test_texts_without_words_can_be_indexed(engine):
    index = engine.from_bytes(engine.build(["", "the"]).to_bytes())
    assert index.scores("anything").tolist() == [0, 0]


def test_bm25s_ranks_as_rank_bm25_does():
    rng = np.random.default_rng(5)
    words = [f"word{i}" for i in range(400)]
    weights = 1 / np.arange(1, 401)
    texts = [" ".join(rng.choice(words, size=60, p=weights / weights.sum())) for _ in range(300)]
    fast, reference = Bm25s.build(texts), RankBm25.build(texts)
    shared = []
    for _ in range(30):
        query = " ".join(rng.choice(words[20:], size=4))
        ours, theirs = (np.argsort(-index.scores(query), kind="stable")[:10] for index in (fast, reference))
        shared.append(len(set(ours.tolist()) & set(theirs.tolist())))
    assert np.mean(shared) > 9.5


def test_an_unknown_engine_is_named():
    with pytest.raises(ConfigError, match="lucene.*bm25s, rank-bm25"):
        lexical_engine("lucene")
