"""Simulated A/B experiments, looked at after every answer: how often chance wins, and how soon a true gain is found.

    python benchmarks/experiments.py [--runs 1000] [--seed 1]

Users rate 1 answer and 2 more on average, 70% of them well; some are kinder than others (beta, parameters that add up
to 4). Beside the confidence sequence: the z-test of two means, looked at as often, which is made for one look. What is
known changes only when a user's window has passed, so a look after each user is a look after every answer.
Exits with 1 if more than 5% of the experiments without a difference end in a winner, by either sequence.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm

from rag.config import ExperimentConfig
from rag.experiments.sequence import first_refusal, gain_scores

CONFIG = ExperimentConfig()
ERROR = (1 - CONFIG.confidence) / 2
RAIL_ERROR = (1 - CONFIG.guard_confidence) / len(CONFIG.guard_rails)
Z = norm.isf(ERROR)
NULL_USERS, RAIL_USERS = 5_000, 4_000
GAINS = {0.03: 20_000, 0.05: 8_000, 0.10: 3_000}
"""True differences, and the users after which an experiment is given up."""
CHUNK, Z_FROM = 50, 30


class Drawn(NamedTuple):
    """Experiments: arrays of shape (experiments, users), or broadcast to it."""

    treated: NDArray[np.bool_]
    chance: NDArray[np.float64]
    outcome: NDArray[np.float64]


Draw = Callable[[np.random.Generator, int], Drawn]


def rated(users: int, gain: float = 0.0, chance: float | np.ndarray = 0.5, mean: float | np.ndarray = 0.7) -> Draw:
    """Return the way to draw experiments whose users count by their mean."""

    def draw(rng: np.random.Generator, experiments: int) -> Drawn:
        treated = rng.random((experiments, users)) < chance
        rate = mean + gain * treated
        kindness = rng.beta(4 * rate, 4 * (1 - rate))
        answers = 1 + rng.poisson(2, treated.shape)
        return Drawn(treated, np.broadcast_to(chance, treated.shape), rng.binomial(answers, kindness) / answers)

    return draw


def answers_as_users(users: int) -> Draw:
    """Return the way to draw experiments whose every answer counts as if it came from a user of its own."""

    def draw(rng: np.random.Generator, experiments: int) -> Drawn:
        counts = 1 + rng.poisson(2, (experiments, users))
        shortest = counts.sum(axis=1).min()
        owner = np.stack([np.repeat(np.arange(users), row)[:shortest] for row in counts])
        kindness = np.take_along_axis(rng.beta(2.8, 1.2, counts.shape), owner, axis=1)
        treated = np.take_along_axis(rng.random(counts.shape) < 0.5, owner, axis=1)
        outcome = (rng.random(owner.shape) < kindness).astype(np.float64)
        return Drawn(treated, np.full(owner.shape, 0.5), outcome)

    return draw


def chunks(draw: Draw, runs: int, seed: int) -> Iterator[Drawn]:
    """Yield all experiments, some at a time."""
    rng = np.random.default_rng(seed)
    for first in range(0, runs, CHUNK):
        yield draw(rng, min(CHUNK, runs - first))


def z_scores(drawn: Drawn) -> NDArray[np.float64]:
    """Return the z-statistic after each user, 0 while one variant has few of them."""
    means, errors = [], []
    few = np.zeros(drawn.treated.shape, dtype=np.bool_)
    for who in (drawn.treated, ~drawn.treated):
        n = np.cumsum(who, axis=1)
        few |= n < Z_FROM
        n = np.maximum(n, 2)
        mean = np.cumsum(who * drawn.outcome, axis=1) / n
        square = np.cumsum(who * drawn.outcome**2, axis=1) / n
        means.append(mean)
        errors.append(np.maximum(square - mean**2, 1e-12) / (n - 1))
    return np.where(few, 0, (means[0] - means[1]) / np.sqrt(errors[0] + errors[1]))


def null_table(runs: int, seed: int) -> bool:
    """Print how often no difference ends in a winner; return whether the sequence kept its word."""
    ramp = np.linspace(0.1, 0.5, NULL_USERS)
    rows: dict[str, Draw] = {
        "half and half": rated(NULL_USERS),
        "one user in ten": rated(NULL_USERS, chance=0.1),
        "share from .1 to .5, mean from .5 to .8": rated(
            NULL_USERS, chance=ramp, mean=np.linspace(0.5, 0.8, NULL_USERS)
        ),
    }
    print(f"A/A: {runs:,} experiments of {NULL_USERS:,} users without a difference that end in a winner, either one\n")
    print(
        "| users | confidence sequence | z-test, looked at as often | z-test, one look at the end |\n|---|---|---|---|"
    )
    kept = True
    for name, draw in rows.items():
        wrong = null_winners(draw, runs, seed)
        kept &= wrong[0] <= (1 - CONFIG.confidence) * runs
        print(f"| {name} | " + " | ".join(share(count, runs) for count in wrong) + " |", flush=True)
    wrong = null_winners(answers_as_users(NULL_USERS), runs, seed)
    print(
        "| *each answer taken for a user* | " + " | ".join(share(count, runs) for count in wrong) + " |\n", flush=True
    )
    print("A share that grows while outcomes rise for everybody biases the plain difference of means itself.\n")
    return kept


def null_winners(draw: Draw, runs: int, seed: int) -> NDArray[np.int_]:
    """Return how many experiments have a winner by the sequence, by z at any look, and by z at the end."""
    wrong = np.zeros(3, dtype=np.int_)
    for drawn in chunks(draw, runs, seed):
        scores, users = gain_scores(*drawn), drawn.outcome.shape[1]
        either = [first_refusal(each, 0.0, ERROR) <= users for each in (scores, scores.reversed())]
        z = np.abs(z_scores(drawn)) > Z
        wrong += [np.sum(either[0] | either[1]), np.sum(z.any(axis=1)), np.sum(z[:, -1])]
    return wrong


def gain_table(runs: int, seed: int) -> None:
    """Print how many users it takes to find a true gain."""
    print(f"A/B: users until the better variant is found, both together; {runs:,} experiments, half and half\n")
    print(
        "| true gain | fixed size, 80% power | sequence: median | 80% | worse one wins | z-test, looked at: median* |"
    )
    print("|---|---|---|---|---|---|")
    for gain, users in GAINS.items():
        found, z_found, wrong, variance = [], [], 0, []
        for drawn in chunks(rated(users, gain), runs, seed):
            scores = gain_scores(*drawn)
            found.append(first_refusal(scores, 0.0, ERROR))
            wrong += int(np.sum(first_refusal(scores.reversed(), 0.0, ERROR) < found[-1]))
            z = np.abs(z_scores(drawn)) > Z
            z_found.append(np.where(z.any(axis=1), z.argmax(axis=1) + 1, users + 1))
            variance.append(sum(drawn.outcome[drawn.treated == who].var() for who in (True, False)))
        fixed = 2 * (Z + norm.ppf(0.8)) ** 2 * np.mean(variance) / gain**2
        waits = [waited(np.concatenate(found), q, users) for q in (0.5, 0.8)]
        print(
            f"| {100 * gain:.0f} points | {fixed:,.0f} | {waits[0]} | {waits[1]} | {wrong} | "
            f"{waited(np.concatenate(z_found), 0.5, users)} |",
            flush=True,
        )
    print("\n*not a fair peer: looked at so, it calls a winner where there is none, as seen above.\n")


def rail_table(runs: int, seed: int) -> None:
    """Print how soon a guard rail stops a variant, and how often wrongly."""
    print(
        f"Guard rail on errors, 2% in the control, no rise allowed, one of {len(CONFIG.guard_rails)} rails "
        f"({RAIL_ERROR:.2%} each); {runs:,} experiments of {RAIL_USERS:,} users, one in ten gets the variant\n"
    )
    print("| true rise | stopped | users: median | 80% |\n|---|---|---|---|")
    for rise in (0.0, 0.02, 0.05, 0.1, 0.3):
        draw = rated(RAIL_USERS, rise, chance=0.1, mean=0.02)
        stops = np.concatenate(
            [first_refusal(gain_scores(*drawn), 0.0, RAIL_ERROR) for drawn in chunks(draw, runs, seed)]
        )
        stopped = share(int(np.sum(stops <= RAIL_USERS)), runs)
        print(
            f"| {100 * rise:.0f} points | {stopped} | {waited(stops, 0.5, RAIL_USERS)} | "
            f"{waited(stops, 0.8, RAIL_USERS)} |",
            flush=True,
        )


def share(count: int, runs: int) -> str:
    """Return the share with its 95% interval (Clopper and Pearson 1934)."""
    interval = binomtest(int(count), runs).proportion_ci(method="exact")
    return f"{count / runs:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def waited(users: NDArray[np.int_], quantile: float, most: int) -> str:
    """Return after how many users so many of the experiments had ended."""
    value = int(np.quantile(users, quantile, method="higher"))
    return f"{value:,}" if value <= most else f"over {most:,}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Simulated A/B experiments, looked at after every answer.")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    kept = null_table(options.runs, options.seed)
    gain_table(options.runs, options.seed)
    rail_table(options.runs, options.seed)
    sys.exit(not kept)


if __name__ == "__main__":
    main()
