"""From answers to users: each counts once, by one bounded number that does not change any more."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Answer(NamedTuple):
    """One answer that a user was shown in an experiment, by the variant or by the control."""

    user: str
    at: datetime
    """When it was asked for: before the variant could make a difference."""
    treated: bool
    """Whether it came from the variant."""
    chance: float
    """How likely this user was to get the variant and not the control, by the shares of that time; between 0 and 1."""
    outcome: float | None
    """0 to 1; None if nothing is known of it, such as when the user did not rate it."""


class Users(NamedTuple):
    """The users that count, in the order of their first answers."""

    treated: NDArray[np.bool_]
    """(n,)"""
    chance: NDArray[np.float64]
    """(n,), between 0 and 1."""
    outcome: NDArray[np.float64]
    """(n,), each user's mean, 0 to 1."""

    def first(self, n: int) -> Self:
        """Return the first n."""
        return type(self)(self.treated[:n], self.chance[:n], self.outcome[:n])


def counted_users(answers: Iterable[Answer], window: timedelta, now: datetime, silence: float | None = None) -> Users:
    """Return the users whose window has passed, each with the mean outcome of it.

    The variant is drawn by user, and answers of one user are alike, so users are what is counted (Deng, Lu and Litz
    2017, "Trustworthy analysis of online A/B tests"). A mean that still moves with each answer may not be looked at
    again and again, so a user enters when the window since the first answer has passed, and never changes after.
    The window is the same for all and so is their order, which no variant can influence: what was seen before is never
    seen differently later.

    Answers of the other variant do not count, if shares were changed in the window.

    :param silence: what a user without an outcome counts; unless given, such do not count, and a variant that changes
        who gives one may seem better, or worse, than it is.
    """
    first: dict[str, Answer] = {}
    outcomes: dict[str, list[float]] = {}
    for answer in sorted(answers, key=lambda each: (each.at, each.user)):
        start = first.setdefault(answer.user, answer)
        if start.at + window > now:
            continue
        known = outcomes.setdefault(answer.user, [])
        if answer.outcome is not None and answer.at < start.at + window and answer.treated == start.treated:
            known.append(answer.outcome)
    if silence is not None:
        outcomes = {user: known or [silence] for user, known in outcomes.items()}
    counted = [user for user in first if outcomes.get(user)]
    return Users(
        treated=np.array([first[user].treated for user in counted], dtype=np.bool_),
        chance=np.array([first[user].chance for user in counted], dtype=np.float64),
        outcome=np.array([np.mean(outcomes[user]) for user in counted], dtype=np.float64),
    )
