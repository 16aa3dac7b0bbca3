from uuid import uuid4

import pytest

from rag.answering.closed_book import speaker_name
from rag.feedback.reactions import load_uses
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
    """Ask, show chunks in an order, and react, each time as somebody else."""

    def run(shown, *reactions, question=ASKED, generator="extractive"):
        retrieved = tuple(Retrieved(chunk_id=chunk_id, rank=rank, score=1 / rank) for rank, chunk_id in shown)
        told = {"question": question, "generator": generator, "retrieved": retrieved}
        asked = Interaction(collection="docs", release_id=release.id, **told)
        record_interaction(database, asked)
        for kind, detail in reactions:
            said = {"value" if kind is FeedbackKind.RATING else "chunk_id": detail}
            if kind is FeedbackKind.CORRECTION:
                said = {"text": "24 months"}
            feedback = Feedback(interaction_id=asked.id, kind=kind, user_fingerprint=uuid4().hex, **said)
            record_feedback(database, feedback, 50)

    return run


def skipped(database, answered_by=ANSWERED_BY, collection="docs"):
    return feedback_negatives(load_uses(database, collection), answered_by)


SHOWN = ((1, "guide:7"), (2, "notes:1"), (3, "guide:2"), (4, "notes:4"))
DOWN, UP = (FeedbackKind.THUMB_DOWN, None), (FeedbackKind.THUMB_UP, None)


@pytest.mark.parametrize("reaction", [DOWN, (FeedbackKind.REFORMULATED, None), (FeedbackKind.RATING, 1)])
def test_after_an_unhelpful_answer_all_that_does_not_answer_was_skipped(database, react, reaction):
    react(SHOWN, reaction)
    assert skipped(database) == {QUESTION: ("guide:7", "notes:1", "notes:4")}


@pytest.mark.parametrize("reaction", [UP, (FeedbackKind.COPIED, None), (FeedbackKind.RATING, 5)])
def test_after_a_helpful_answer_what_stood_above_it_was_skipped(database, react, reaction):
    react(reversed(SHOWN), reaction)
    assert skipped(database) == {QUESTION: ("guide:7", "notes:1")}


def test_a_helpful_answer_without_the_evidence_says_nothing(database, react):
    react(SHOWN[:2], UP)
    assert skipped(database) == {}


@pytest.mark.parametrize(
    "reaction",
    [
        (FeedbackKind.CORRECTION, None),
        (FeedbackKind.ABANDONED, None),
        (FeedbackKind.CITATION_OPENED, None),
        (FeedbackKind.CITATION_OPENED, "guide:7"),
        (FeedbackKind.RATING, 3),
    ],
)
def test_a_reaction_that_may_mean_either_counts_for_nothing(database, react, reaction):
    react(SHOWN, reaction)
    assert skipped(database) == {}


def test_what_stands_above_the_one_that_was_opened_and_answers_was_skipped(database, react):
    react(SHOWN, (FeedbackKind.CITATION_OPENED, "guide:2"))
    assert skipped(database) == {QUESTION: ("guide:7", "notes:1")}


def test_what_was_opened_was_not_skipped(database, react):
    react(SHOWN, (FeedbackKind.CITATION_OPENED, "guide:2"), (FeedbackKind.CITATION_OPENED, "guide:7"), UP)
    assert skipped(database) == {QUESTION: ("notes:1",)}


def test_an_opened_citation_weighs_less_than_what_is_said(database, react):
    react(SHOWN, (FeedbackKind.CITATION_OPENED, "guide:2"), DOWN)
    assert skipped(database) == {QUESTION: ("guide:7", "notes:1", "notes:4")}


def test_reactions_that_contradict_each_other_count_for_nothing(database, react):
    react(SHOWN, UP, DOWN)
    assert skipped(database) == {}


@pytest.mark.parametrize("reaction", [DOWN, UP])
def test_what_was_looked_for_by_an_answer_from_memory_was_not_skipped_for_the_question(database, react, reaction):
    shown = SHOWN if reaction is DOWN else reversed(SHOWN)
    react(shown, reaction, generator=speaker_name(1))
    assert skipped(database) == {}
    react(SHOWN[2:], DOWN)
    assert skipped(database) == {QUESTION: ("notes:4",)}


def test_what_was_skipped_most_often_comes_first(database, react):
    react(SHOWN, DOWN)
    react([(1, "notes:4")], DOWN)
    assert skipped(database) == {QUESTION: ("notes:4", "guide:7", "notes:1")}


def test_questions_without_a_pair_and_other_collections_are_left_out(database, react):
    react(SHOWN, DOWN, question="Who made it?")
    react(SHOWN, DOWN)
    assert skipped(database, collection="other") == {}
    assert list(skipped(database)) == [QUESTION]
    assert skipped(database, {QUESTION: frozenset()}) == {}
