import sys

import pytest

from rag.errors import ConfigError
from rag.pairs.artifact import collection_pairs, load_dropped, load_pairs, pair_rows, remixed
from rag.pairs.dropped import DropReason
from rag.pairs.pair import Origin
from rag.profiles import Profile, load_config

SMOKE = load_config(Profile.SMOKE)
REPEATED = {
    "question": "How far from the wall is the outdoor unit of the Alder please?",
    "answer": "The lung of the Alder stands at least 10 centimetres from any wall.",
    "document": "alder.md",
}


def pairs_of(space, config=SMOKE):
    return collection_pairs(space.artifacts, space.database, "default", config).pairs


def test_two_homes_with_other_keys_learn_from_the_same_pairs_in_the_same_order(open_company):
    one, other = (load_pairs(space.artifacts, pairs_of(space)) for space in map(open_company, ("one", "other")))
    for part, same in zip(one, other, strict=True):
        assert [p.model_dump(exclude={"id"}) for p in part] == [p.model_dump(exclude={"id"}) for p in same]
    assert not {p.id for p in one.train if p.origin is Origin.REAL} & {p.id for p in other.train}


def test_a_narrower_mix_is_what_the_collection_itself_would_have_given(open_company):
    space = open_company("home")

    def config(synthetic_per_real):
        mix = {"synthetic_per_real": synthetic_per_real, "max_synthetic": 20}
        return SMOKE.model_copy(update={"pairs": SMOKE.pairs.model_copy(update=mix)})

    wider, narrow = pairs_of(space, config(3.0)), pairs_of(space, config(0.1))
    mixed = remixed(space.artifacts, wider, config(0.1).pairs)
    assert load_pairs(space.artifacts, mixed) == load_pairs(space.artifacts, narrow)
    assert space.artifacts.facts(mixed) == space.artifacts.facts(narrow)
    assert space.artifacts.facts(mixed)["training_set"] != space.artifacts.facts(wider)["training_set"]


def test_the_dropped_pairs_lie_beside_the_kept_and_are_counted(open_company):
    space = open_company("home", questions=[REPEATED])
    ref = pairs_of(space)
    dropped = load_dropped(space.artifacts, ref)
    (repeated,) = [pair for pair in dropped if pair.origin is Origin.REAL]
    assert repeated.reason is DropReason.NEAR_DUPLICATE and "outdoor unit of the Alder" in repeated.detail
    facts = space.artifacts.facts(ref)
    counted = {reason: sum(pair.reason is reason for pair in dropped) for reason in DropReason}
    assert facts["dropped"] == counted
    assert {"what": "dropped: near duplicates", "pairs": counted[DropReason.NEAR_DUPLICATE]} in pair_rows(facts)


def test_nothing_that_was_dropped_lies_open_on_the_disk(open_company):
    space = open_company("home", questions=[REPEATED])
    folder = space.artifacts.path(pairs_of(space))
    assert not any(b"outdoor unit" in file.read_bytes() for file in folder.iterdir())


def test_a_question_with_an_unusual_end_of_line_is_read_again(open_company):
    odd = {**REPEATED, "question": "Who drew the\u2028plans\x85of it all?"}
    space = open_company("home", questions=[odd])
    asked = [pair.anchor for part in load_pairs(space.artifacts, pairs_of(space)) for pair in part]
    assert any("plans" in question for question in asked)


def test_masking_without_its_package_says_what_to_install(open_company, monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    monkeypatch.delitem(sys.modules, "rag.pairs.personal_data", raising=False)
    space = open_company("home")
    with pytest.raises(ConfigError, match=r"ragloop\[privacy\]"):
        pairs_of(space, load_config(Profile.SMOKE, overrides={"pairs": {"mask_personal_data": True}}))
