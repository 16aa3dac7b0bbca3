"""How many texts at a time fit in memory: found by halving, and remembered for the next run of the same shape."""

import gc
import json
import logging
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from rag.errors import OutOfMemory
from storage.folders import replacing

logger = logging.getLogger(__name__)

T = TypeVar("T")


class FittingSizes:
    """A file of this machine that holds, by the shape of a training, the size that fit after a larger one had not."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def recall(self, shape: str, wanted: int) -> int:
        """Return the size to begin with."""
        known = self._read().get(shape, wanted)
        if known < wanted:
            logger.info("%d at a time, as %d did not fit before: to try again, remove %s", known, wanted, self._file)
        return min(known, wanted)

    def remember(self, shape: str, size: int) -> None:
        """Write down what is tried now, since something larger did not fit."""
        if self._file is None:
            return
        sizes = self._read() | {shape: size}
        with replacing(self._file) as part:
            part.write_text(json.dumps(sizes, indent=1), encoding="utf-8")

    def _read(self) -> dict[str, int]:
        try:
            return {shape: int(size) for shape, size in json.loads((self._file or Path()).read_bytes()).items()}
        except (OSError, ValueError, AttributeError):
            return {}


def halving(
    size: int,
    smallest: int,
    attempt: Callable[[int], T],
    on_halved: Callable[[int], None],
    length: str = "max_seq_length",
) -> tuple[T, int]:
    """Return what `attempt` gives at the first of size, size/2, .. that fits in memory, and that size.

    :param length: what the config calls the tokens of a text, for the remedy.
    :raises OutOfMemory: if the smallest does not fit.
    """
    while True:
        try:
            return attempt(size), size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            _let_go(error)
        if size // 2 < smallest:
            raise OutOfMemory(
                f"{size} at a time do not fit in memory ({said}): lower {length}, switch gradient_checkpointing on, "
                "or close what else uses the memory"
            )
        logger.warning("%d at a time do not fit in memory (%s): going on with %d", size, said, size // 2)
        size //= 2
        on_halved(size)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether the card or the machine had no memory left for what was asked."""
    refused = ("out of memory", "DefaultCPUAllocator: can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in refused)


def machine_name(device: torch.device) -> str:
    """Return what the memory belongs to, as `NVIDIA RTX A2000, 6 GiB` or `cpu, 16 GiB`."""
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        return f"{card.name}, {card.total_memory / 2**30:.0f} GiB"
    return f"{device.type}, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _let_go(error: BaseException) -> None:
    """Free what the failed attempt left, which its traceback holds."""
    cause: Any = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause.__traceback__ = None
        cause = cause.__context__
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
