from datetime import UTC, datetime

import pytest

from rag.feedback.evidence import weighed
from rag.feedback.reactions import Reaction, Use
from rag.feedback.signals import FeedbackKind

SENTENCE, OTHER, ELSEWHERE = ("guide", 100, 160), ("guide", 500, 560), ("notes", 0, 40)
CHUNK = {"guide:0": ("guide", 0, 400)}


def use(*said, cited=(SENTENCE,), question="How long is the warranty?", name="a1"):
    """Return an answer with reactions: (user, kind) and what else they say."""
    reactions = tuple(
        Reaction(
            id=place,
            user=user,
            kind=FeedbackKind(kind),
            value=more.get("value"),
            text=more.get("text"),
            chunk_id=more.get("chunk_id"),
            at=datetime.now(UTC),
        )
        for place, (user, kind, more) in enumerate((*each, {})[:3] for each in said)
    )
    return Use(name, 1, question, True, (), cited, reactions)


def found(*uses, locate=lambda question, answer: OTHER):
    return [(each.span, each.weight) for each in weighed(uses, CHUNK, locate)]


def test_a_thumb_is_enough_and_an_opened_citation_is_not():
    assert found(use(("ann", "thumb_up"))) == [(SENTENCE, 0.6)]
    opened = ("ann", "citation_opened", {"chunk_id": "guide:0"})
    assert found(use(opened)) == []
    assert found(use(opened, ("ann", "copied"))) == [(SENTENCE, 0.6)]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([("ann", "thumb_up"), ("bob", "thumb_down")], []),
        ([("ann", "thumb_up"), ("bob", "reformulated")], []),
        ([("ann", "thumb_up"), ("bob", "thumb_up"), ("eve", "thumb_down")], [(SENTENCE, 0.6)]),
        ([("ann", "rating", {"value": 4})], []),
        ([("ann", "rating", {"value": 4}), ("bob", "rating", {"value": 5})], [(SENTENCE, 1.0)]),
        ([("ann", "rating", {"value": 3}), ("ann", "abandoned")], []),
    ],
)
def test_reactions_that_agree_add_up_and_those_that_contradict_cancel(said, expected):
    assert found(use(*said)) == expected


def test_a_corrected_answer_counts_where_it_stands():
    [evidence] = weighed([use(("ann", "correction", {"text": "24 months in all"}))], CHUNK, lambda *_: OTHER)
    assert (evidence.span, evidence.said) == (OTHER, "24 months in all")
    assert found(use(("ann", "correction", {"text": "no such thing"})), locate=lambda *_: None) == []


def test_the_right_passage_confirms_the_sentence_that_was_cited_in_it():
    right = ("bob", "right_passage", {"chunk_id": "guide:0"})
    assert found(use(right)) == [(CHUNK["guide:0"], 1.0)]
    assert found(use(("ann", "thumb_up"), right)) == [(SENTENCE, 1.6)]
    assert found(use(("bob", "right_passage", {"chunk_id": "of another collection"}))) == []


def test_an_answer_from_several_documents_does_not_say_which_is_right():
    several = (SENTENCE, ELSEWHERE)
    assert found(use(("ann", "thumb_up"), cited=several)) == []
    assert found(use(("ann", "thumb_up"), ("bob", "thumb_up"), cited=several)) == [(SENTENCE, 0.6), (ELSEWHERE, 0.6)]


def test_one_person_counts_once_however_often_they_ask():
    again = [use(("ann", "thumb_up"), name=f"a{i}") for i in range(5)]
    assert found(*again) == [(SENTENCE, 0.6)]
    everything = use(("ann", "thumb_up"), ("ann", "copied"), ("ann", "right_passage", {"chunk_id": "guide:0"}))
    assert found(everything) == [(SENTENCE, 1.0)]


def test_other_questions_are_other_evidence():
    one, other = use(("ann", "thumb_up")), use(("ann", "thumb_down"), question="Who pays?", name="a2")
    assert found(one, other) == [(SENTENCE, 0.6)]
    same = use(("bob", "thumb_down"), question="how long is the WARRANTY", name="a3")
    assert found(one, same) == []
