import json
import re
from pathlib import Path

import numpy as np
import pytest

import rag.evaluation
from rag.errors import ConfigError
from rag.retrieval.lexical import Analyzer, Bm25s, RankBm25, lexical_engine

GENERAL = Path(rag.evaluation.__file__).with_name("general.jsonl")
TEXTS = [
    "The lung stands outside and the hearth inside.",
    "A muster takes twenty minutes; musters run at night.",
    "Lamp code L-14 asks for a clean sieve.",
    "Nothing of interest is said here about anything.",
    "",
]


def first_ten(scores):
    """Rounded, so that sums in another order are equal; ties by place."""
    return np.argsort(-scores.round(4), kind="stable")[:10]


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


def test_both_engines_give_the_same_scores_and_the_same_first_ten():
    lines = [json.loads(line) for line in GENERAL.read_text(encoding="utf-8").splitlines()]
    sentences = [s for line in lines for s in re.split(r"(?<=[.?!]) ", line["passage"])]
    fast, reference = Bm25s.build(sentences), RankBm25.build(sentences)
    assert len(sentences) > 300
    for line in lines:
        ours, theirs = fast.scores(line["question"]), reference.scores(line["question"])
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
        np.testing.assert_array_equal(first_ten(ours), first_ten(theirs))


@pytest.mark.parametrize("engine", [Bm25s, RankBm25])
def test_a_word_of_most_texts_still_counts_and_a_repeated_one_counts_twice(engine):
    index = engine.build(["river", "river sea", "river lake", "hill"])
    once, twice = index.scores("river"), index.scores("river river")
    assert (once[:3] > 0).all()
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-5)


def test_an_unknown_engine_is_named():
    with pytest.raises(ConfigError, match="lucene.*bm25s, rank-bm25"):
        lexical_engine("lucene")
