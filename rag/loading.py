"""Models are loaded one at a time.

While the transformers library builds a model it replaces methods of its own classes, for all threads: two loads at once
leave them replaced for good, and whatever is built from then on has neither its tied nor its initial weights.
"""

from collections.abc import Callable
from functools import wraps
from threading import RLock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_TURN = RLock()


def one_at_a_time(load: Callable[P, T]) -> Callable[P, T]:
    """Let whoever builds a transformers model wait for who builds one already, in whatever way; loads may nest."""

    @wraps(load)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with _TURN:
            return load(*args, **kwargs)

    return alone
