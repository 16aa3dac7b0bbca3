from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from rag.errors import ConfigError
from rag.experiments.assignment import assign, chance

USERS = [f"user-{i}" for i in range(20_000)]


def assigned(shares, experiment="e"):
    return {user: assign(experiment, user, shares) for user in USERS}


def moves(before, after):
    old, new = assigned(before), assigned(after)
    return Counter((old[user], new[user]) for user in USERS if old[user] != new[user])


@pytest.mark.parametrize("shares", [{"a": 0.5, "b": 0.5}, {"a": 0.9, "b": 0.1}, {"a": 5, "b": 3, "c": 2}])
def test_each_variant_has_its_share(shares):
    counts = Counter(assigned(shares).values())
    expected = [len(USERS) * share / sum(shares.values()) for share in shares.values()]
    assert chisquare([counts[name] for name in shares], expected).pvalue > 0.001


@given(st.text(), st.text())
def test_a_user_keeps_the_variant_whatever_the_order_and_scale(experiment, user):
    assert assign(experiment, user, {"a": 0.3, "b": 0.7}) == assign(experiment, user, {"b": 7, "a": 3})


def test_the_variant_of_a_user_is_the_same_in_every_release():
    # Found once and kept: another hash would silently move half of the users of experiments that run.
    found = [assign("prompts", f"u{i}", {"control": 1, "terse": 1}) for i in range(8)]
    assert found == ["control", "control", "terse", "control", "terse", "terse", "control", "terse"]


def test_experiments_are_independent():
    shares = {"a": 0.5, "b": 0.5}
    both = Counter(zip(assigned(shares, "one").values(), assigned(shares, "two").values(), strict=True))
    assert chisquare(list(both.values())).pvalue > 0.001


def test_of_two_variants_no_more_move_than_must():
    moved = moves({"a": 0.9, "b": 0.1}, {"a": 0.8, "b": 0.2})
    assert set(moved) == {("a", "b")}
    assert sum(moved.values()) == pytest.approx(0.1 * len(USERS), rel=0.1)


def test_a_new_variant_takes_users_and_nobody_else_moves():
    assert set(moves({"a": 0.5, "b": 0.5}, {"a": 0.4, "b": 0.4, "c": 0.2})) == {("a", "c"), ("b", "c")}


def test_of_a_stopped_variant_only_its_own_users_move():
    assert set(moves({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.5, "b": 0.0, "c": 0.2})) == {("b", "a"), ("b", "c")}


def test_nobody_moves_to_a_variant_that_shrank_against_the_own():
    moved = moves({"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.4, "b": 0.5, "c": 0.1})
    assert set(moved) <= {("a", "b"), ("c", "a"), ("c", "b")}


def test_a_variant_is_drawn_at_the_chance_that_is_told():
    shares = {"a": 2, "b": 1, "c": 1}
    compared = [name for name in assigned(shares).values() if name != "c"]
    assert chance("e", "b", "a", shares) == 1 / 3
    assert compared.count("b") / len(compared) == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize("shares", [{}, {"a": 0.0}, {"a": -1, "b": 2}, {"a": float("nan")}])
def test_unusable_shares_are_refused(shares):
    with pytest.raises(ConfigError, match="experiment e"):
        assign("e", "u", shares)


def test_a_variant_without_a_share_cannot_be_compared():
    with pytest.raises(ConfigError, match="b has no share in experiment e"):
        chance("e", "b", "a", {"a": 1, "b": 0})
