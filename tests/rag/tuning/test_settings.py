"""What a trial changes of the config."""

import tomllib

import pytest
from pydantic import ValidationError

from rag.profiles import Profile, load_config
from rag.tuning.settings import TrialSettings

CPU = load_config(Profile.CPU)
OTHER = TrialSettings(learning_rate=3e-5, epochs=5, negatives=2, per_pair=4, synthetic_per_real=0.75)


def test_what_is_changed_is_what_is_read_again():
    changed = OTHER.changed(CPU)
    assert TrialSettings.of(changed) == OTHER
    assert (changed.embedding.negatives, changed.negatives.per_pair) == (2, 4)
    kept = {"learning_rate", "epochs", "negatives"}
    assert changed.embedding.model_dump(exclude=kept) == CPU.embedding.model_dump(exclude=kept)
    assert changed.gate == CPU.gate


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"embedding": {"learning_rate": 1.234567e-4, "epochs": 7}, "pairs": {"synthetic_per_real": 0.333}},
        {"negatives": {"per_pair": 5}},
        {"embedding": {"negatives": 3}},
        {"negatives": {"per_pair": 0}},
    ],
)
def test_what_is_in_force_changes_nothing(overrides):
    config = load_config(Profile.CPU, overrides=overrides)
    assert TrialSettings.of(config).changed(config) == config


def test_the_lines_for_the_config_file_give_the_same_config():
    assert load_config(Profile.CPU, overrides=tomllib.loads(OTHER.toml())) == OTHER.changed(CPU)


def test_settings_that_contradict_the_rest_are_refused():
    rounds = load_config(Profile.CPU, overrides={"negatives": {"rounds": 2}})
    with pytest.raises(ValidationError, match="set per_pair above 0"):
        OTHER.model_copy(update={"per_pair": 0}).changed(rounds)


@pytest.mark.parametrize(("in_force", "most"), [(1.5, 3.0), (4.0, 4.0)])
def test_the_widest_mix_holds_those_of_all_trials_and_changes_nothing_else(in_force, most):
    config = load_config(Profile.CPU, overrides={"pairs": {"synthetic_per_real": in_force}})
    widest = load_config(Profile.CPU, overrides={"pairs": {"synthetic_per_real": most}})
    assert TrialSettings.widest_mix(config) == widest
