"""What one look at an experiment says: the variant won, lost, is not worth it, does harm, or nothing yet."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
from pydantic import BaseModel, ConfigDict

from rag.config import ExperimentConfig, Harm
from rag.errors import ConfigError
from rag.evaluation.significance import Interval
from rag.experiments.sequence import Scores, first_refusal, gain_scores, lower_bound
from rag.experiments.users import Users


class Finding(StrEnum):
    """What is proven of the variant."""

    WINNER = "winner"
    """Better than the control."""
    LOSER = "loser"
    """Worse than the control."""
    FUTILE = "futile"
    """Not better by the least gain that is worth a switch."""
    HARMFUL = "harmful"
    """A guard rail is broken."""
    GO_ON = "go on"
    """Nothing yet."""


class Rise(BaseModel):
    """How much higher the variant's rate on a guard rail is than the control's, and at least is.

    The mean is estimated as that of the gain is.
    """

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float
    n_users: int


class Look(BaseModel):
    """What is known of a variant against the control; a finding, once made, stays."""

    model_config = ConfigDict(frozen=True)

    finding: Finding
    reason: str
    gain: Interval
    """Of the users up to the finding, if there is one.

    The interval is any-time valid. The mean weighs users by their chance of the variant and takes off what those before
    let expect: it need not be the difference of the plain means, nor lie in the interval, which never widens.
    """
    n_control: int
    """Of those of whom the outcome is known."""
    n_variant: int
    asked_control: int | None = None
    """With those of whom it is not, by now; None of a look of an earlier version."""
    asked_variant: int | None = None
    mean_control: float | None
    mean_variant: float | None
    rises: dict[Harm, Rise]
    """By guard rail."""


def look(
    users: Users,
    rails: Mapping[Harm, Users],
    config: ExperimentConfig,
    variants: int = 1,
    bounds: Sequence[Users] = (),
) -> Look:
    """Look at an experiment, as often as wanted.

    A better variant is called a loser, or a worse one a winner, with a probability of at most half of what `confidence`
    leaves; one that is worth the switch is called futile with as much. All guard rails together stop a variant that
    keeps to them with a probability of at most what `guard_confidence` leaves, split evenly among them (Bonferroni).
    With several variants against one control both are split again among these.

    Whether a variant is better shows only of users of whom the outcome is known, and it may change of whom it is: those
    who are unhappy may say so less often. So a winner has to win as well with all others counted as the worst, and as
    the best. Where nearly all are known that costs little; of satisfaction, where 3 of 10 say something, a gain of 10
    points takes three times the users.

    :param users: by the outcome that decides, those of whom it is known.
    :param rails: the users by each guard rail's outcome.
    :param bounds: all users, the others as the worst, and as the best.
    :raises ConfigError: if a guard rail is not measured.
    """
    error = (1 - config.confidence) / 2 / variants
    scores = gain_scores(*users)
    finding, n = _finding(scores, config.min_effect, error)
    better = finding is Finding.WINNER
    if better and not all(_wins(each, error) for each in bounds):
        finding, n = Finding.GO_ON, users.outcome.size
    reason = _reason(finding, better, config)
    seen = users.first(n)
    gain = _interval(scores.first(n), error)
    rises, broken = _rises(rails, config, variants)
    if broken:
        finding = Finding.HARMFUL
    means = [_mean(seen.outcome[seen.treated == treated]) for treated in (False, True)]
    asked = [int((bounds[0].treated == treated).sum()) if bounds else None for treated in (False, True)]
    said = f"{reason}, gain {gain}, {config.confidence:.0%} whenever looked at, after {n:,} users"
    return Look(
        finding=finding,
        reason=f"{finding}: {broken or said}",
        gain=gain,
        n_control=int((~seen.treated).sum()),
        n_variant=int(seen.treated.sum()),
        asked_control=asked[0],
        asked_variant=asked[1],
        mean_control=means[0],
        mean_variant=means[1],
        rises=rises,
    )


def _finding(scores: Scores, min_effect: float, error: float) -> tuple[Finding, int]:
    """Return what was found first, and after how many users; all of them if nothing was."""
    n = scores.gain.shape[-1]
    loss = scores.reversed()
    found = (
        (int(first_refusal(scores, 0.0, error)), Finding.WINNER),
        (int(first_refusal(loss, 0.0, error)), Finding.LOSER),
        (int(first_refusal(loss, -min_effect, error)), Finding.FUTILE),
    )
    # A loser is futile too: where both are found at once, the stronger word.
    after, finding = min(found, key=lambda each: each[0])
    return (finding, after) if after <= n else (Finding.GO_ON, n)


def _wins(users: Users, error: float) -> bool:
    return int(first_refusal(gain_scores(*users), 0.0, error)) <= users.outcome.size


def _rises(rails: Mapping[Harm, Users], config: ExperimentConfig, variants: int) -> tuple[dict[Harm, Rise], str]:
    """Return the rise on each guard rail, and in words which are broken; empty if none is."""
    rises, broken = {}, []
    for rail in config.guard_rails:
        if rail.metric not in rails:
            raise ConfigError(f"guard rail {rail.metric} is not measured: measure it, or take it out of guard_rails")
        scores = gain_scores(*rails[rail.metric])
        low = lower_bound(scores, (1 - config.guard_confidence) / len(config.guard_rails) / variants)
        n = scores.gain.size
        rises[rail.metric] = Rise(mean=_estimate(scores), low=round(low, 4), n_users=n)
        if low > rail.max_rise:
            broken.append(f"{rail.metric} rose by more than {low:.3f}, {rail.max_rise} allowed, after {n:,} users")
    return rises, "; ".join(broken)


def _interval(scores: Scores, error: float) -> Interval:
    low, high = lower_bound(scores, error), -lower_bound(scores.reversed(), error)
    high = max(low, high)
    return Interval(mean=_estimate(scores), low=round(low, 4), high=round(high, 4))


def _estimate(scores: Scores) -> float:
    """Return the mean score, as far as a gain can be: that of few users who weigh much lies beyond."""
    return round(float(np.clip(scores.gain.mean(), -1, 1)), 4) if scores.gain.size else 0.0


def _mean(outcomes: np.ndarray) -> float | None:
    return round(float(outcomes.mean()), 4) if outcomes.size else None


def _reason(finding: Finding, better: bool, config: ExperimentConfig) -> str:
    if better and finding is Finding.GO_ON:
        return "better among those of whom something is known, not proven whatever is true of the others"
    return {
        Finding.WINNER: "better than the control",
        Finding.LOSER: "worse than the control",
        Finding.FUTILE: f"no gain of {config.min_effect} or more",
    }.get(finding, "nothing is proven yet")
