"""Extraction of many files. Parsers run in processes: one that hangs, crashes or eats memory costs one file."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import TimeoutError as Overtime
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import RLock
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool
from tqdm import tqdm

from rag.corpus.document import DocumentText
from rag.corpus.extract import extract, media_type_of
from rag.corpus.files import MAX_FILE_BYTES, check_size
from rag.errors import UnreadableDocument

logger = logging.getLogger(__name__)

_HARMLESS = {"text/plain", "text/markdown"}
_AHEAD = 2
"""Files taken ahead for each worker."""
WORKER_MEMORY_BYTES = 2 * 2**30


T = TypeVar("T")
Outcome = DocumentText | UnreadableDocument
"""What became of a file: its text, or why there is none."""


def extract_all(
    files: Iterable[tuple[str, bytes]],
    workers: int = 1,
    timeout_s: float = 60,
    max_bytes: int = MAX_FILE_BYTES,
    memory_bytes: int = WORKER_MEMORY_BYTES,
    total: int | None = None,
) -> Iterator[tuple[str, Outcome]]:
    """Yield (name, outcome) for each (name, bytes), in order. Takes files as it goes, a few ahead for each worker.

    `total` is the number of files, for the progress bar, where `files` does not know it. PDF, DOCX and HTML are parsed
    in worker processes, bound to `memory_bytes` of address space and `timeout_s` a file.
    """
    total = len(files) if isinstance(files, Sized) else total
    waiting: deque[tuple[str, Outcome | ProcessFuture[Any]]] = deque()
    with _Workers(workers, timeout_s, memory_bytes) as pool:
        for name, data in tqdm(files, total=total, desc="reading documents", delay=2, disable=None):
            waiting.append((name, _start(pool, name, data, max_bytes)))
            while len(waiting) > _AHEAD * workers:
                yield _finish(*waiting.popleft(), timeout_s)
        while waiting:
            yield _finish(*waiting.popleft(), timeout_s)


class _KeptLocks(SpawnContext):
    """Keeps the locks it made as long as itself.

    The pool drops its own before it ends its workers: one that has only just begun would end in a traceback.
    """

    def __init__(self) -> None:
        self._locks: list[RLock] = []

    def RLock(self) -> RLock:
        lock = super().RLock()
        self._locks.append(lock)
        return lock


class _Workers:
    """A pool that is only started by the first file that needs it, and is killed at the end whatever happens."""

    def __init__(self, workers: int, timeout_s: float, memory_bytes: int) -> None:
        self._settings = (workers, timeout_s, memory_bytes)
        self._pool: ProcessPool | None = None

    def schedule(self, function: Callable[..., Any], *args: object) -> "ProcessFuture[Any]":
        workers, timeout_s, memory_bytes = self._settings
        if self._pool is None:
            context: Any = _KeptLocks()
            self._pool = ProcessPool(workers, initializer=_bind_worker, initargs=(memory_bytes,), context=context)
        return self._pool.schedule(function, args=args, timeout=timeout_s)

    def __enter__(self) -> "_Workers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()


def _bind_worker(memory_bytes: int) -> None:
    """Set a worker's limits, and keep it silent: parsers quote the document in their warnings."""
    logging.disable(logging.CRITICAL)
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _start(pool: _Workers, name: str, data: bytes, max_bytes: int) -> "Outcome | ProcessFuture[Any]":
    try:
        check_size(name, len(data), max_bytes)
        if media_type_of(name) in _HARMLESS:
            return extract(name, data)
    except UnreadableDocument as error:
        return error
    return pool.schedule(extract, name, data)


def _finish(name: str, started: "Outcome | ProcessFuture[Any]", timeout_s: float) -> tuple[str, Outcome]:
    if isinstance(started, DocumentText | UnreadableDocument):
        return name, started
    outcome: Outcome = outcome_of(name, started, timeout_s)
    return name, outcome


def parse_apart(name: str, parse: Callable[..., T], *args: object, timeout_s: float = 60) -> T:
    """Return what a parser makes of its arguments in a process of its own, bound as those of `extract_all`.

    :raises UnreadableDocument: if it does not come to an end well.
    """
    with _Workers(1, timeout_s, WORKER_MEMORY_BYTES) as pool:
        outcome: T | UnreadableDocument = outcome_of(name, pool.schedule(parse, *args), timeout_s)
    if isinstance(outcome, UnreadableDocument):
        raise outcome
    return outcome


def outcome_of(name: str, future: "ProcessFuture[Any]", timeout_s: float) -> Any:
    """Wait for a worker and turn every way it can end into what it returned or one refusal."""
    try:
        return future.result()
    except UnreadableDocument as error:
        return error
    except Overtime:
        return UnreadableDocument(f"{name} took more than {timeout_s:g} s to read: save it again or split it")
    except MemoryError:
        return UnreadableDocument(f"{name} needs too much memory to be read: split it into smaller files")
    except ProcessExpired as error:
        logger.warning("a parser process died with exit code %s", error.exitcode)
        return UnreadableDocument(f"{name} crashed its parser: save it again with another program")
    except Exception as error:  # a broken file can raise anything
        logger.warning("a parser failed with %s", type(error).__name__)
        return UnreadableDocument(f"{name} is damaged ({type(error).__name__}): open it and save it again")
