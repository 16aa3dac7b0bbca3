import random

from rag.pairs.dropped import DropReason
from rag.pairs.near_duplicates import drop_near_duplicates
from rag.pairs.pair import Origin
from tests.query_pairs import real_pair

ASKED = "How long does a breath of the Skarn last in a cold winter?"


def kept(pairs, threshold=0.8):
    return [pair.id for pair in drop_near_duplicates(pairs, threshold).kept]


def test_a_question_with_a_word_more_is_dropped_and_says_what_it_repeats():
    longer = real_pair(ASKED.replace("does", "does usually"), id="longer", answer_start=50, answer_end=60)
    filtered = drop_near_duplicates([real_pair(ASKED), longer], 0.8)
    assert [pair.id for pair in filtered.kept] == [ASKED]
    assert filtered.dropped[0].reason is DropReason.NEAR_DUPLICATE
    assert filtered.dropped[0].detail == f"real: {ASKED}"


def test_real_wins_over_feedback_and_that_over_synthetic_wherever_they_stand():
    pairs = [
        real_pair(ASKED + " usually", id="s", origin=Origin.SYNTHETIC),
        real_pair(ASKED + " mostly", id="f", origin=Origin.FEEDBACK),
        real_pair(ASKED, id="r"),
    ]
    assert kept(pairs) == ["r"]
    assert kept(pairs[:2]) == ["f"]


def test_templated_questions_about_near_alike_products_are_kept():
    template = "What does the error code {} mean on the model {} of the series?"
    things = [("F12", "L-14"), ("F12", "L-16"), ("F13", "L-14")]
    pairs = [real_pair(template.format(*thing)) for thing in things]
    assert len(kept(pairs)) == 3


def test_another_word_in_a_place_asks_something_else_of_other_evidence_and_the_same_of_the_same():
    first = real_pair("Which are the most abundant biological entities on the whole Earth?", id="1")
    second = first.anchor.replace("Which", "What")
    assert kept([first, real_pair(second, id="2", answer_start=90, answer_end=99)]) == ["1", "2"]
    assert kept([first, real_pair(second, id="2", answer_start=3, answer_end=9)]) == ["1"]


def test_a_negation_asks_the_opposite():
    one = "What structural proteins are coded by the rotavirus genome?"
    assert len(kept([real_pair(one), real_pair(one.replace("structural", "non-structural"))])) == 2


def test_the_same_question_of_another_document_is_kept():
    assert len(kept([real_pair(ASKED), real_pair(ASKED, id="2", doc_id="d2")])) == 2


def test_min_hash_finds_what_comparing_all_pairs_finds():
    draw = random.Random(5)
    lexicon = [f"w{'abcdefghijkl'[n]}" for n in range(12)]
    pairs = [real_pair(" ".join(draw.sample(lexicon, draw.randint(5, 9))), id=str(n)) for n in range(150)]
    expected: list[set[str]] = []
    for bag in (set(pair.anchor.split()) for pair in pairs):
        if not any(len(bag & other) / len(bag | other) >= 0.8 for other in expected):
            expected.append(bag)
    assert 10 < len(expected) < 140
    assert [set(p.anchor.split()) for p in drop_near_duplicates(pairs, 0.8).kept] == expected
