"""Who chooses what is tried next: a tree-structured Parzen estimator, through Optuna. Imports no torch."""

from typing import Any, NamedTuple, TypeVar

import optuna
from optuna.trial import TrialState

from rag.config import Config
from rag.tuning.settings import TrialSettings

N = TypeVar("N", int, float)

_STARTUP = 5
"""Trials that are drawn at random, before there is something to learn from."""
_MIX_STEP = 0.25


class Proposal(NamedTuple):
    """What is to be tried."""

    number: int
    settings: TrialSettings


class Study:
    """Proposes settings and hears how good they were (TPE, Bergstra et al. 2011; Optuna, Akiba et al. 2019).

    It keeps nothing: its draws are seeded and a training that was done is not done again, so a search that was stopped
    comes by the same trials when it is begun anew, and passes those that are done at once.
    """

    def __init__(self, config: Config) -> None:
        """Search within the bounds of `config.tuning`, widened to what is in force, which is proposed first."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._config = config
        sampler = optuna.samplers.TPESampler(seed=config.tuning.seed, n_startup_trials=_STARTUP)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._in_force = TrialSettings.of(config)
        self._learned_from = min(self._in_force.negatives, self._in_force.per_pair)
        known = self._in_force.model_dump(exclude={"per_pair"}) | {"negatives": self._learned_from}
        self._study.enqueue_trial(known)

    def ask(self) -> Proposal:
        """Return what to try next."""
        trial = self._study.ask()
        suggested = self._suggested(trial)
        return Proposal(trial.number, suggested if trial.number else self._in_force)

    def tell(self, number: int, score: float | None) -> None:
        """Hear what a proposal scored, 0 to 1; None if it could not be tried."""
        if score is None:
            self._study.tell(number, state=TrialState.FAIL)
        else:
            self._study.tell(number, score)

    def _suggested(self, trial: optuna.Trial) -> TrialSettings:
        bounds, now = self._config.tuning, self._in_force
        least = 1 if self._config.embedding.distill_weight or self._config.negatives.rounds > 1 else 0
        few, many = (max(least, bound) for bound in _within(bounds.negatives, self._learned_from))
        low, high = _within(bounds.synthetic_per_real, now.synthetic_per_real)
        rates: Any = _within(bounds.learning_rate, now.learning_rate)
        return TrialSettings(
            # Two digits: no training is told from another by the third.
            learning_rate=float(f"{trial.suggest_float('learning_rate', *rates, log=True):.1e}"),
            epochs=trial.suggest_int("epochs", *_within(bounds.epochs, now.epochs)),
            negatives=(negatives := trial.suggest_int("negatives", few, many)),
            per_pair=max(negatives, now.per_pair),
            synthetic_per_real=round(trial.suggest_float("synthetic_per_real", low, high) / _MIX_STEP) * _MIX_STEP,
        )


def _within(bounds: tuple[N, N], now: N) -> tuple[N, N]:
    return min(bounds[0], now), max(bounds[1], now)
