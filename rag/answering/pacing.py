"""Bounds on how long one waits for text that comes piece by piece."""

import time
from collections.abc import Generator
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, NamedTuple, TypeVar

from rag.answering.generator import GeneratorSilent

T = TypeVar("T")


class Bounds(NamedTuple):
    """Seconds."""

    first_s: float
    """Until the first piece."""
    gap_s: float
    """Between two pieces."""
    total_s: float
    """Until the end."""


class _Ended(NamedTuple, Generic[T]):
    value: T


def paced(text: Generator[str, None, T], bounds: Bounds) -> Generator[str, None, T]:
    """Yield the pieces of `text` and return what it returns, unless it keeps one waiting.

    A thread reads it ahead, so that a read that hangs holds nobody, and a slow reader does not count as a slow source.
    A generator that runs cannot be closed by another thread: the reading thread does it, before it would read on. So
    whatever `text` waits for needs a bound of its own, after which an abandoned thread ends.

    :raises GeneratorSilent: if a bound is passed.
    """
    pieces: SimpleQueue[str | _Ended[T] | Exception] = SimpleQueue()
    abandoned = Event()
    ends_at = time.monotonic() + bounds.total_s
    Thread(target=_read, args=(text, pieces, abandoned, ends_at), name="reads an answer", daemon=True).start()
    wait_s, waiting_for = bounds.first_s, f"no word within {bounds.first_s:g} s"
    try:
        while True:
            try:
                left_s = ends_at - time.monotonic()
                piece = pieces.get(timeout=max(0.0, min(wait_s, left_s)))
            except Empty:
                reason = waiting_for if wait_s < left_s else f"not done within {bounds.total_s:g} s"
                raise GeneratorSilent(reason, at_once=True) from None
            if isinstance(piece, Exception):
                raise piece
            if isinstance(piece, _Ended):
                value: T = piece.value
                return value
            yield piece
            wait_s, waiting_for = bounds.gap_s, f"it stopped in the middle, for {bounds.gap_s:g} s"
    finally:
        abandoned.set()


def _read(
    text: Generator[str, None, T],
    pieces: "SimpleQueue[str | _Ended[T] | Exception]",
    abandoned: Event,
    ends_at: float,
) -> None:
    """Put all that comes into the queue, until nobody listens any more or the time is up."""
    try:
        while not abandoned.is_set() and time.monotonic() < ends_at:
            pieces.put(next(text))
    except StopIteration as end:
        pieces.put(_Ended(end.value))
    except Exception as error:  # for the thread that listens
        pieces.put(error)
    finally:
        text.close()
