"""Answers are made by threads of their own, as many as the machine bears; what they say waits in memory for its reader.

A reader, however slow, never holds a thread: an answer runs to its end, and is small.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from threading import Event as Flag
from typing import Any, TypeVar

from app.api.errors import Busy

T = TypeVar("T")
WAITING = 8
"""Places to wait, for each that works."""
_END = object()


class Work:
    """A bounded number of threads, and of places to wait for them."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="answer")
        self._places = threads * (1 + WAITING)
        self.taken = 0
        """Places that are taken: at work, or waiting. Counted on the event loop alone."""

    async def run(self, function: Callable[[], T]) -> T:
        """Return what a function returns.

        :raises Busy: if all places are taken.
        """

        def once() -> Generator[T, None, None]:
            yield function()

        async with aclosing(self.stream(once)) as results:
            return await anext(results)

    async def stream(self, begin: Callable[[], Generator[T, None, None]]) -> AsyncGenerator[T, None]:
        """Yield what a generator yields; it is closed when the reader leaves, and may note how far it got.

        :raises Busy: if all places are taken.
        """
        if self.taken >= self._places:
            raise Busy(f"{self.taken} questions are being answered or wait: ask again in a second")
        loop = asyncio.get_running_loop()
        said: asyncio.Queue[Any] = asyncio.Queue()
        left = Flag()

        def tell(function: Callable[..., None], *arguments: Any) -> None:
            with suppress(RuntimeError):  # the server has stopped, and its loop with it
                loop.call_soon_threadsafe(function, *arguments)

        def work() -> None:
            try:
                with closing(begin()) as items:
                    for item in items:
                        tell(said.put_nowait, item)
                        if left.is_set():
                            break
                tell(said.put_nowait, _END)
            except BaseException as error:
                tell(said.put_nowait, error)

        self.taken += 1
        job = self._threads.submit(work)
        job.add_done_callback(lambda _: tell(self._leave))
        try:
            while (item := await said.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            left.set()
            job.cancel()

    def _leave(self) -> None:
        self.taken -= 1

    def close(self) -> None:
        """Take no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)
