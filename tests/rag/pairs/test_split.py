from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rag.config import SplitConfig
from rag.pairs.pair import Split
from rag.pairs.split import GroupFacts, assign_splits

CONFIG = SplitConfig(evaluation_share=0.25, validation_share=0.15)


def facts(*n_questions: int) -> dict[str, GroupFacts]:
    return {f"g{place}": GroupFacts(n) for place, n in enumerate(n_questions)}


@given(st.lists(st.integers(1, 40), min_size=3, max_size=30), st.floats(0.05, 0.7), st.floats(0.05, 0.45))
def test_each_split_has_a_group_and_exceeds_its_share_by_less_than_one(sizes, evaluation, validation):
    groups = facts(*sizes)
    config = SplitConfig(evaluation_share=evaluation, validation_share=validation)
    splits = assign_splits(groups, config, {})
    assert set(splits.values()) == set(Split)
    for split, share in ((Split.EVALUATION, evaluation), (Split.VALIDATION, validation)):
        held = [groups[group].n_questions for group, own in splits.items() if own is split]
        assert sum(held) <= share * sum(sizes) + max(held)


def test_shares_are_near_what_was_asked_for():
    splits = assign_splits(facts(*[10] * 100), CONFIG, {})
    counts = Counter(splits.values())
    assert abs(counts[Split.EVALUATION] - 25) <= 1 and abs(counts[Split.VALIDATION] - 15) <= 1


def test_documents_count_where_there_are_no_questions():
    counts = Counter(assign_splits(facts(*[0] * 20), CONFIG, {}).values())
    assert counts[Split.EVALUATION] == 5 and counts[Split.VALIDATION] == 3


def test_groups_without_questions_train():
    splits = assign_splits(facts(5, 5, 5, 5, 0, 0), CONFIG, {})
    assert splits["g4"] is splits["g5"] is Split.TRAIN


def test_one_group_trains_and_two_train_and_evaluate():
    assert assign_splits(facts(5), CONFIG, {}) == {"g0": Split.TRAIN}
    assert sorted(assign_splits(facts(5, 3), CONFIG, {}).values()) == [Split.EVALUATION, Split.TRAIN]


def test_the_same_groups_get_the_same_splits_and_another_seed_others():
    groups = facts(*range(1, 40))
    assert assign_splits(groups, CONFIG, {}) == assign_splits(dict(reversed(groups.items())), CONFIG, {})
    assert assign_splits(groups, CONFIG, {}) != assign_splits(groups, SplitConfig(seed=14), {})


def test_what_is_frozen_stays_when_groups_are_added():
    first = assign_splits(facts(*[5] * 10), CONFIG, {})
    grown = assign_splits(facts(*[5] * 20), CONFIG, first)
    assert {group: grown[group] for group in first} == first
    assert Counter(grown.values())[Split.EVALUATION] > Counter(first.values())[Split.EVALUATION]


def test_a_group_renamed_by_a_new_member_keeps_the_split_of_the_old_one():
    groups = {"a": GroupFacts(3, 2, ("a", "b")), "x": GroupFacts(3), "y": GroupFacts(3)}
    assert assign_splits(groups, CONFIG, {"b": Split.EVALUATION})["a"] is Split.EVALUATION


def test_a_group_that_bridges_splits_is_evaluated_only():
    groups = {"a": GroupFacts(3, 2, ("a", "b")), "x": GroupFacts(3), "y": GroupFacts(3)}
    assert assign_splits(groups, CONFIG, {"a": Split.TRAIN, "b": Split.EVALUATION})["a"] is Split.EVALUATION
