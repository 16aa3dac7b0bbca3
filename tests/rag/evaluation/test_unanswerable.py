"""Questions that no document answers."""

import pytest

from rag.answering.abstention import PRIOR_THRESHOLD
from rag.chat.refusals import Sentences
from rag.corpus.artifact import load_chunks
from rag.corpus.traces import derived
from rag.evaluation.sets import load_questions
from rag.evaluation.unanswerable import (
    load_unanswerable,
    refusals,
    still_unanswerable,
    unanswerable_artifact,
    unanswerable_questions,
)
from rag.pairs.artifact import load_pairs
from rag.pairs.words import normalize
from rag.releases import open_retriever
from storage.artifacts import ArtifactRef
from tests.company import PRODUCTS
from tests.rag.evaluation.asked_company import CONFIG


@pytest.fixture(scope="module")
def made_of(asked_company):
    """What the company's questions are made of: its training pairs, its evaluation pairs, and its chunks."""
    space, evaluation_set = asked_company
    pairs = ArtifactRef.of("pairs", space.artifacts.manifest(evaluation_set).inputs["pairs"])
    corpus = ArtifactRef.of("corpus", space.artifacts.manifest(pairs).inputs["corpus"])
    train = load_pairs(space.artifacts, pairs).train
    return train, load_questions(space.artifacts, evaluation_set), load_chunks(space.artifacts, corpus)


def questions(made_of, n=40, seed=13):
    evaluation = CONFIG.evaluation.model_copy(update={"unanswerable": n, "seed": seed})
    train, _, chunks = made_of
    return unanswerable_questions(train, chunks, CONFIG.model_copy(update={"evaluation": evaluation}))


def by_id(asked):
    return {f"u{place}": question for place, question in enumerate(asked)}


def test_there_are_as_many_as_wanted_and_none_twice(made_of):
    made = questions(made_of)
    assert len(made) == len({normalize(each) for each in made}) == 40


def test_the_same_ones_each_time_and_others_by_another_seed(made_of):
    assert questions(made_of) == questions(made_of) != questions(made_of, seed=14)
    assert questions(made_of, 10) == questions(made_of)[:10]


def test_no_sentence_holds_what_they_ask_for(made_of):
    sentences = Sentences(chunk.text for chunk in made_of[2])
    assert not any(sentences.may_answer(question) for question in questions(made_of))


def test_some_ask_as_the_collection_s_own_do(made_of):
    like_ours = [each for each in questions(made_of) if "firmware" in each.lower() or "warranty" in each.lower()]
    assert like_ours and not any(product in each for each in like_ours for product in PRODUCTS)


def test_nothing_that_judges_is_asked_in_them(made_of):
    judging = {normalize(pair.anchor) for pair in made_of[1]}
    assert judging.isdisjoint(normalize(each) for each in questions(made_of))


def test_a_collection_without_training_questions_is_asked_of_other_worlds(made_of):
    assert len(questions(([], [], made_of[2]), 10)) == 10


def test_they_are_sealed_and_go_with_a_document(asked_company):
    space, evaluation_set = asked_company
    ref = unanswerable_artifact(space.artifacts, evaluation_set, CONFIG)
    made = load_unanswerable(space.artifacts, ref)
    assert len(made) == 10
    for path in space.artifacts.path(ref).iterdir():
        assert not any(each.encode() in path.read_bytes() for each in made)
    doc_id = load_questions(space.artifacts, evaluation_set)[0].doc_id
    assert ref in derived(space.artifacts, {doc_id}, set())


def test_how_many_are_refused_hangs_on_the_evidence_that_is_wanted(asked_company, made_of):
    space, _ = asked_company
    retriever, asked = open_retriever(space, "default", "production", CONFIG), by_id(questions(made_of))
    known = made_of[1]
    found = [refusals(retriever, asked, known, threshold, 5) for threshold in (0, PRIOR_THRESHOLD, 1.01)]
    assert [(each.asked, each.answerable) for each in found] == [(40, len(known))] * 3
    assert 0 == found[0].refused < found[1].refused <= found[2].refused == 40
    assert 0 == found[0].wrongly <= found[1].wrongly < found[2].wrongly == len(known)
    assert found[1].informedness > found[0].informedness == found[2].informedness == 0
    assert refusals(retriever, {}, known, PRIOR_THRESHOLD, 5) is None


def test_what_became_of_each_question_is_kept_without_its_words(asked_company, made_of):
    space, _ = asked_company
    retriever, asked = open_retriever(space, "default", "production", CONFIG), by_id(questions(made_of))
    found = refusals(retriever, asked, made_of[1], PRIOR_THRESHOLD, 5)
    assert found.others_refused.keys() == {pair.id for pair in made_of[1]}
    assert (sum(found.unanswerable_refused.values()), sum(found.others_refused.values())) == (
        found.refused,
        found.wrongly,
    )
    assert found.unanswerable_refused.keys() == asked.keys()
    assert not any(question in found.model_dump_json() for question in asked.values())


def test_what_a_later_document_answers_is_not_asked_any_more(made_of):
    asked, chunks = questions(made_of, 10), made_of[2]
    later = chunks[0].model_copy(update={"text": asked[3].rstrip("?") + "."})
    assert still_unanswerable(asked, chunks) == asked
    assert still_unanswerable(asked, [*chunks, later]) == (*asked[:3], *asked[4:])
