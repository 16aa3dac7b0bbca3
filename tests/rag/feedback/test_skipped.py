import pytest

from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction, Retrieved
from rag.feedback.skipped import feedback_negatives
from storage.artifacts import ArtifactRef
from storage.registry import Registry

QUESTION, ASKED = "how long is the warranty", "How long is the WARRANTY?"
ANSWERED_BY = {QUESTION: frozenset({"guide:2"})}


@pytest.fixture
def release(database):
    parts = {"embedder": ArtifactRef.of("embedder", "e"), "index": ArtifactRef.of("index", "i")}
    settings = {"answering": {}, "config": {}, "lineage": {}}
    return Registry(database).register("docs", parent_id=None, reason="first", **parts, **settings)


@pytest.fixture
def react(database, release):
    """Ask, show chunks in an order, and react."""

    def run(shown, *reactions, question=ASKED):
        retrieved = tuple(Retrieved(chunk_id=chunk_id, rank=rank, score=1 / rank) for rank, chunk_id in shown)
        asked = Interaction(collection="docs", release_id=release.id, question=question, retrieved=retrieved)
        record_interaction(database, asked)
        for kind, value in reactions:
            text = "24 months" if kind is FeedbackKind.CORRECTION else None
            record_feedback(database, Feedback(interaction_id=asked.id, kind=kind, value=value, text=text), 50)

    return run


SHOWN = ((1, "guide:7"), (2, "notes:1"), (3, "guide:2"), (4, "notes:4"))
DOWN, UP = (FeedbackKind.THUMB_DOWN, None), (FeedbackKind.THUMB_UP, None)


@pytest.mark.parametrize("reaction", [DOWN, (FeedbackKind.REFORMULATED, None), (FeedbackKind.RATING, 1)])
def test_after_an_unhelpful_answer_all_that_does_not_answer_was_skipped(database, react, reaction):
    react(SHOWN, reaction)
    assert feedback_negatives(database, "docs", ANSWERED_BY) == {QUESTION: ("guide:7", "notes:1", "notes:4")}


@pytest.mark.parametrize("reaction", [UP, (FeedbackKind.COPIED, None), (FeedbackKind.RATING, 5)])
def test_after_a_helpful_answer_what_stood_above_it_was_skipped(database, react, reaction):
    react(reversed(SHOWN), reaction)
    assert feedback_negatives(database, "docs", ANSWERED_BY) == {QUESTION: ("guide:7", "notes:1")}


def test_a_helpful_answer_without_the_evidence_says_nothing(database, react):
    react(SHOWN[:2], UP)
    assert feedback_negatives(database, "docs", ANSWERED_BY) == {}


@pytest.mark.parametrize(
    "reaction",
    [
        (FeedbackKind.CORRECTION, None),
        (FeedbackKind.ABANDONED, None),
        (FeedbackKind.CITATION_OPENED, None),
        (FeedbackKind.RATING, 3),
    ],
)
def test_a_reaction_that_may_mean_either_counts_for_nothing(database, react, reaction):
    react(SHOWN, reaction)
    assert feedback_negatives(database, "docs", ANSWERED_BY) == {}


def test_reactions_that_contradict_each_other_count_for_nothing(database, react):
    react(SHOWN, UP, DOWN)
    assert feedback_negatives(database, "docs", ANSWERED_BY) == {}


def test_what_was_skipped_most_often_comes_first(database, react):
    react(SHOWN, DOWN)
    react([(1, "notes:4")], DOWN)
    assert feedback_negatives(database, "docs", ANSWERED_BY) == {QUESTION: ("notes:4", "guide:7", "notes:1")}


def test_questions_without_a_pair_and_other_collections_are_left_out(database, react):
    react(SHOWN, DOWN, question="Who made it?")
    react(SHOWN, DOWN)
    assert feedback_negatives(database, "other", ANSWERED_BY) == {}
    assert list(feedback_negatives(database, "docs", ANSWERED_BY)) == [QUESTION]
    assert feedback_negatives(database, "docs", {QUESTION: frozenset()}) == {}
