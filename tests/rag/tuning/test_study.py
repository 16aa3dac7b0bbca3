"""Who chooses what is tried, without any training: scores are a function of the settings."""

import math

import pytest

from rag.errors import ConfigError
from rag.profiles import Profile, load_config
from rag.tuning.settings import TrialSettings
from rag.tuning.study import Study

CPU = load_config(Profile.CPU)


def tuned(**fields):
    return load_config(Profile.CPU, overrides={"tuning": fields})


def score(settings):
    """Return a score that is best at a learning rate of 4e-5 and without synthetic questions."""
    away = abs(math.log10(settings.learning_rate / 4e-5)) + settings.synthetic_per_real / 3
    return 1 / (1 + away)


def tried(config, n):
    study, found = Study(config), []
    for _ in range(n):
        number, settings = study.ask()
        found.append(settings)
        study.tell(number, score(settings))
    return found


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"embedding": {"learning_rate": 1.234567e-4}, "pairs": {"synthetic_per_real": 0.333}},
        {"embedding": {"negatives": 3}, "negatives": {"per_pair": 1}},
        {"negatives": {"per_pair": 0}},
    ],
)
def test_what_is_in_force_is_tried_first(overrides):
    config = load_config(Profile.CPU, overrides=overrides)
    assert tried(config, 1) == [TrialSettings.of(config)]


def test_no_less_is_mined_than_is_in_force_nor_than_is_learned_from():
    config = load_config(Profile.CPU, overrides={"negatives": {"per_pair": 2}})
    found = tried(config, 20)
    assert {settings.per_pair for settings in found} == {2, *(s.negatives for s in found if s.negatives > 2)}
    assert len({settings.negatives for settings in found}) > 2


def test_a_search_that_begins_anew_comes_by_the_same_trials():
    assert tried(CPU, 12) == tried(CPU, 12)
    assert tried(CPU, 12) != tried(tuned(seed=14), 12)


def test_later_trials_are_better_than_those_drawn_at_random():
    found = [score(settings) for settings in tried(CPU, 40)]
    assert sum(found[-15:]) / 15 > sum(found[1:6]) / 5 + 0.1
    assert max(found) > found[0]


def test_all_that_is_tried_lies_within_the_bounds():
    config = tuned(learning_rate=[5e-5, 2e-4], epochs=[2, 4], negatives=[1, 2], synthetic_per_real=[1, 2])
    for settings in tried(config, 20):
        assert 5e-5 <= settings.learning_rate <= 2e-4 and 2 <= settings.epochs <= 4
        assert 1 <= settings.negatives <= 2 and 1 <= settings.synthetic_per_real <= 2


def test_bounds_are_widened_to_what_is_in_force():
    config = tuned(epochs=[4, 5])
    assert config.embedding.epochs == 3
    assert {settings.epochs for settings in tried(config, 20)} <= {3, 4, 5}


def test_a_recipe_that_needs_negatives_always_has_some():
    config = load_config(Profile.CPU, overrides={"negatives": {"rounds": 2}})
    for settings in tried(config, 15):
        assert settings.changed(config).negatives.per_pair >= 1


def test_what_could_not_be_tried_is_passed():
    study = Study(CPU)
    study.tell(study.ask().number, None)
    assert study.ask().number == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"epochs": [4, 2]}, "epochs begins above where it ends"),
        ({"learning_rate": [0, 1e-4]}, "learning_rate of 0"),
        ({"negatives": [0, 17]}, "less than or equal to 16"),
    ],
)
def test_bounds_that_hold_nothing_are_refused(fields, said):
    with pytest.raises(ConfigError, match=said):
        tuned(**fields)
