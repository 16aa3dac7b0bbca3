"""How much memory a piece of work takes, of the machine and of its card."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

import psutil
import torch

_EVERY_S = 0.05


@dataclass
class Footprint:
    """Filled in when the work ends."""

    memory_bytes: int = 0
    """By how much the process's resident memory grew at most."""
    card_bytes: int | None = None
    """Of the card, allocated at most; None without one."""


@contextmanager
def footprint() -> Iterator[Footprint]:
    """Measure the work within. What was let go before, but not given back, is given back first where that can be."""
    found, over = Footprint(), Event()
    process = psutil.Process()
    gc.collect()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL(None).malloc_trim(0)
    before = peak = process.memory_info().rss
    card = torch.cuda.is_available()
    if card:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        taken = torch.cuda.memory_allocated()

    def watch() -> None:
        nonlocal peak
        while not over.wait(_EVERY_S):
            peak = max(peak, process.memory_info().rss)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()
        found.memory_bytes = max(peak, process.memory_info().rss) - before
        if card:
            found.card_bytes = torch.cuda.max_memory_allocated() - taken
