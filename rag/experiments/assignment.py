"""Which variant a user gets, for good: from a hash, so that nothing needs to be stored to get it again."""

import json
import math
from collections.abc import Mapping
from hashlib import blake2b

from rag.errors import ConfigError


def assign(experiment: str, user: str, shares: Mapping[str, float]) -> str:
    """Return the user's variant; each has its share of all users, whatever the shares add up to.

    Variants race: each finishes after an exponential time, drawn by a hash, of its share as rate; the first has the
    user (Moulton and Jiang 2018, "Maximally consistent sampling"). Hence:

    - The same user gets the same variant, on any machine, in whatever order variants are named.
    - Experiments are independent of each other.
    - With new shares, users move only to a variant whose share grew against that of the one they leave. If one
      variant's share grows or shrinks against all others, no more move than must; whatever changes, a method without
      memory that moves fewer for some change moves more for another (Pareto-optimal, ibid.).

    :raises ConfigError: if no variant has a share, or a share is negative or not a number.
    """
    _check(experiment, shares)
    return min(
        (_finish_time(experiment, user, variant) / share, variant) for variant, share in shares.items() if share > 0
    )[1]


def chance(experiment: str, variant: str, control: str, shares: Mapping[str, float]) -> float:
    """Return how likely a user who gets one of the two gets the variant, 0 to 1: what `Answer.chance` asks for.

    :raises ConfigError: if one of the two has no share.
    """
    _check(experiment, shares)
    for name in (variant, control):
        if not shares.get(name):
            raise ConfigError(f"{name} has no share in experiment {experiment}: give it one to compare it")
    return shares[variant] / (shares[variant] + shares[control])


def _finish_time(experiment: str, user: str, variant: str) -> float:
    """Return an exponential time of rate 1, above 0."""
    # JSON keeps ("a", "bc") and ("ab", "c") apart.
    key = json.dumps([experiment, user, variant]).encode()
    drawn = int.from_bytes(blake2b(key, digest_size=8).digest(), "big") >> 12
    return -math.log((drawn + 0.5) / 2**52)


def _check(experiment: str, shares: Mapping[str, float]) -> None:
    for variant, share in shares.items():
        if not (math.isfinite(share) and share >= 0):
            raise ConfigError(f"the share of {variant} in experiment {experiment} is {share}: give a number from 0 on")
    if not any(shares.values()):
        raise ConfigError(f"no variant of experiment {experiment} has a share: give one a share above 0")
