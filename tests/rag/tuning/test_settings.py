"""What a trial changes of the config."""

import tomllib

import pytest
from pydantic import ValidationError

from rag.profiles import Profile, load_config
from rag.tuning.settings import TrialSettings

CPU = load_config(Profile.CPU)
OTHER = TrialSettings(learning_rate=3e-5, epochs=5, negatives=2, synthetic_per_real=0.75)


def test_what_is_changed_is_what_is_read_again():
    changed = OTHER.changed(CPU)
    assert TrialSettings.of(changed) == OTHER
    assert (changed.embedding.negatives, changed.negatives.per_pair) == (2, 2)
    kept = {"learning_rate", "epochs", "negatives"}
    assert changed.embedding.model_dump(exclude=kept) == CPU.embedding.model_dump(exclude=kept)
    assert changed.gate == CPU.gate


def test_a_config_that_mines_nothing_learns_from_no_negatives():
    without = load_config(Profile.CPU, overrides={"negatives": {"per_pair": 0}})
    assert TrialSettings.of(without).negatives == 0


def test_the_lines_for_the_config_file_give_the_same_config():
    assert load_config(Profile.CPU, overrides=tomllib.loads(OTHER.toml())) == OTHER.changed(CPU)


def test_settings_that_contradict_the_rest_are_refused():
    rounds = load_config(Profile.CPU, overrides={"negatives": {"rounds": 2}})
    with pytest.raises(ValidationError, match="set per_pair above 0"):
        OTHER.model_copy(update={"negatives": 0}).changed(rounds)
