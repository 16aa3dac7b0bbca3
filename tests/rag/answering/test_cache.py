import pytest

from rag.answering.answer import Answer, Question, Turn
from rag.answering.cache import AnswerCache
from rag.retrieval.retriever import Hit
from tests.chunks import chunk_of


def answer_to(question, text="Yes [1].", doc_id="d", release_id=1):
    hit = Hit(rank=1, score=1, chunk=chunk_of("Yes.", doc_id=doc_id), passage="Yes.")
    fields = {"statements": (), "citations": (), "found": True, "support": 1, "evidence": 1, "generator": "extractive"}
    return Answer(
        id=question.id, collection="c", release_id=release_id, question=question.text, text=text, hits=(hit,), **fields
    )


@pytest.fixture
def cache(encoder):
    return AnswerCache(2, lambda text: encoder.encode_queries([text])[0])


@pytest.fixture
def by_meaning(encoder):
    return AnswerCache(9, lambda text: encoder.encode_queries([text])[0], cosine=0.8)


def keep(cache, text, **fields):
    question = Question(text=text, **fields)
    cache.put(question, answer_to(question))


def found(cache, text, release_id=1, **fields):
    return cache.get(Question(text=text, **fields), release_id) is not None


def test_case_and_space_make_no_difference_and_signs_do(cache):
    keep(cache, "Is C++  fast?")
    assert found(cache, " is c++ FAST? ")
    assert not found(cache, "Is C# fast?")
    assert not found(cache, "Is C fast?")


def test_another_release_restriction_or_history_is_another_question(cache):
    said = (Turn(role="user", content="Of the Alder."),)
    keep(cache, "How loud?", documents=("a", "b"), history=said)
    assert found(cache, "How loud?", documents=("b", "a"), history=said)
    assert not found(cache, "How loud?", documents=("a",), history=said)
    assert not found(cache, "How loud?", documents=("a", "b"))
    assert not found(cache, "How loud?", release_id=2, documents=("a", "b"), history=said)


def test_what_was_not_asked_for_longest_goes_first(cache):
    keep(cache, "one")
    keep(cache, "two")
    assert found(cache, "one")
    keep(cache, "three")
    assert [found(cache, text) for text in ("one", "two", "three")] == [True, False, True]


def test_a_cache_of_none_keeps_none(encoder):
    cache = AnswerCache(0, lambda text: encoder.encode_queries([text])[0])
    keep(cache, "one")
    assert not found(cache, "one")


def test_by_meaning_other_words_are_enough_but_other_figures_and_names_are_not(by_meaning, cache):
    for each in (by_meaning, cache):
        keep(each, "How long is the warranty of the Alder L-14 in 2024?")
    other_words = "What is the length of the warranty of the Alder L-14 in 2024?"
    assert found(by_meaning, other_words)
    assert not found(cache, other_words)
    assert not found(by_meaning, "How long is the warranty of the Alder L-15 in 2024?")
    assert not found(by_meaning, "How long is the warranty of the Alder L-14 in 2023?")
    assert not found(by_meaning, "Where is the workshop?")
