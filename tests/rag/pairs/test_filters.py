import pytest

from rag.errors import LeakFound
from rag.pairs.dropped import DropReason
from rag.pairs.filters import assert_no_leak, deduplicate, drop_leaks
from rag.pairs.pair import Origin
from tests.query_pairs import real_pair

ASKED = "How long does a breath of the Skarn 6 last in winter?"


def test_a_real_question_wins_over_the_same_synthetic_one():
    synthetic = real_pair("What is a spate", id="s", origin=Origin.SYNTHETIC)
    real = real_pair("what is a SPATE?", id="r")
    kept, dropped = deduplicate([synthetic, real_pair("Another?", id="o"), real])
    assert [pair.id for pair in kept] == ["o", "r"] and [pair.question for pair in dropped] == ["What is a spate"]
    assert dropped[0].reason is DropReason.DUPLICATE and dropped[0].detail == "real: what is a SPATE?"


def test_the_same_question_of_another_document_is_kept():
    kept, dropped = deduplicate([real_pair("What is in the crate?"), real_pair("What is in the crate?", doc_id="d2")])
    assert len(kept) == 2 and not dropped


def test_equal_and_nearly_equal_questions_leak():
    evaluation = [real_pair(ASKED, group="e")]
    train = [
        real_pair(ASKED.upper(), id="equal"),
        real_pair("how long does a breath of the Skarn 6 last in the winter", id="near"),
        real_pair("How far from the wall must the Skarn 6 stand?", id="far"),
    ]
    kept, dropped = drop_leaks(train, evaluation)
    assert [pair.id for pair in kept] == ["far"] and len(dropped) == 2
    assert all(pair.detail == f"evaluated: {ASKED}" for pair in dropped)


def test_a_pair_of_an_evaluated_group_leaks():
    kept, dropped = drop_leaks([real_pair("Something else?", group="e")], [real_pair(ASKED, group="e")])
    assert not kept and dropped[0].detail == "of the evaluated group e"


def test_the_last_guard_stops_a_run_with_the_ids_that_leak():
    evaluation = [real_pair(ASKED, id="asked-1", group="e")]
    train = [real_pair("Fine?"), real_pair(ASKED, id="bad-1"), real_pair("Else?", id="bad-2", group="e")]
    with pytest.raises(LeakFound, match=r"2 training.* bad-1 \(asks what asked-1 asks\), bad-2 \(of .* group e\)"):
        assert_no_leak(train, evaluation)
    assert_no_leak([real_pair("Fine?")], evaluation)


def test_the_same_question_about_another_product_is_no_leak():
    evaluation = [real_pair("How long is the warranty of the Skarn 8 in winter?", group="e")]
    train = [real_pair("How long is the warranty of the Skarn 12 in winter?", group="t")]
    assert drop_leaks(train, evaluation) == (train, [])


def test_prefix_filtering_finds_what_comparing_all_pairs_finds():
    import random

    draw = random.Random(3)
    lexicon = [f"w{n}" for n in range(14)]
    train = [real_pair(" ".join(draw.sample(lexicon, draw.randint(2, 10))), group="t") for _ in range(300)]
    evaluation = [real_pair(" ".join(draw.sample(lexicon, draw.randint(2, 10))), group="e") for _ in range(60)]
    bags = [set(pair.anchor.split()) for pair in evaluation]

    def alike(one, other):
        return (one <= other or other <= one) and len(one & other) / len(one | other) >= 0.8

    expected = [p for p in train if not any(alike(bag, set(p.anchor.split())) for bag in bags)]
    assert 0 < len(expected) < len(train)
    assert drop_leaks(train, evaluation)[0] == expected
