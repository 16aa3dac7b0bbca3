"""One training at a time on this machine: a lock file, held by the process that trains, freed when it dies."""

import errno
import fcntl
import getpass
import logging
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from rag.errors import ConfigError
from storage.errors import RagloopError

logger = logging.getLogger(__name__)

POLL_S = 0.5
REMIND_S = 60.0
PROBE_S = 0.3
"""Somebody who only looks whether the lock is held has it for an instant; who does not wait tries again for so long."""

_OTHERS_MAY_USE = 0o666
_held: set[int] = set()
"""Descriptors that hold a lock in this process."""


class DeviceBusy(RagloopError):
    """Another process has the device, and the caller would not wait."""


class Holder(BaseModel):
    """Who has the device. Other users write it, so its text is bounded and printable."""

    model_config = ConfigDict(frozen=True)

    pid: int
    host: str = Field(max_length=255)
    user: str = Field(max_length=255)
    purpose: str = Field(max_length=255)
    since: datetime

    @classmethod
    def here(cls, purpose: str) -> "Holder":
        """Return this process as the holder."""
        return cls(pid=os.getpid(), host=socket.gethostname(), user=_user(), purpose=purpose, since=datetime.now(UTC))

    def __str__(self) -> str:
        text = f"{self.purpose}, by {self.user} (process {self.pid} on {self.host})"
        since = self.since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"{''.join(c for c in text if c.isprintable())} since {since}"


class Device:
    """This machine's card, or its cores where there is none; a lock file stands for it."""

    def __init__(self, lock: Path) -> None:
        self._lock = lock

    @contextmanager
    def held(self, purpose: str, timeout_s: float | None = None) -> Iterator[None]:
        """Hold the device for `purpose`; wait for another holder, at most `timeout_s` seconds if given.

        Processes and threads exclude each other. Who waits says for whom, once a minute. Not re-entrant.

        :raises DeviceBusy: if another still has it after `timeout_s`; at once if that is 0.
        :raises ConfigError: if the lock file cannot be used.
        """
        descriptor = self._take(timeout_s)
        try:
            _write(descriptor, Holder.here(purpose).model_dump_json())
            yield
        finally:
            _write(descriptor, "")
            _held.discard(descriptor)
            os.close(descriptor)

    @contextmanager
    def held_for_card(self, purpose: str, timeout_s: float | None = None) -> Iterator[None]:
        """Hold the device if it is a card, for work that runs beside others on the CPU. Imports torch.

        :raises DeviceBusy: as `held`.
        :raises ConfigError: as `held`.
        """
        import torch

        if not torch.cuda.is_available():
            yield
            return
        with self.held(purpose, timeout_s):
            yield

    def holder(self) -> Holder | None:
        """Return who has the device, or None if nobody has.

        :raises ConfigError: if the lock file cannot be used.
        """
        try:
            descriptor = _open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        except BlockingIOError:
            return _read(descriptor)
        finally:
            os.close(descriptor)

    def _take(self, timeout_s: float | None) -> int:
        """Return a descriptor that holds the lock."""
        _forget_in_forks()
        begun = time.monotonic()
        patience = None if timeout_s is None else max(timeout_s, PROBE_S)
        remind_at = begun + PROBE_S
        while True:
            try:
                descriptor = self._try()
            except OSError as error:
                raise self._unusable(error) from error
            if descriptor is not None:
                return descriptor
            now = time.monotonic()
            if patience is not None and now - begun >= patience:
                raise DeviceBusy(f"{self._said_of_holder()}: wait for it to end, or stop it")
            if now >= remind_at:
                logger.info("waiting: %s", self._said_of_holder())
                remind_at = now + REMIND_S
            time.sleep(min(POLL_S, PROBE_S / 3) if now - begun < PROBE_S else POLL_S)

    def _try(self) -> int | None:
        """Return a descriptor that holds the lock, or None if another has it."""
        descriptor = _open_or_create(self._lock)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A lock on a file that was removed meanwhile guards nothing.
            if os.stat(self._lock, follow_symlinks=False).st_ino == os.fstat(descriptor).st_ino:
                _held.add(descriptor)
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _said_of_holder(self) -> str:
        return f"the device is taken: {self.holder() or 'by another process'}"

    def _unusable(self, error: OSError) -> ConfigError:
        return ConfigError(
            f"cannot use the device lock {self._lock} ({error.strerror or error}): remove it while nothing trains, or "
            "name another with RAGLOOP_DEVICE_LOCK"
        )


def _open_or_create(lock: Path) -> int:
    """Open the lock file for writing; a new one may be used by everybody on the machine.

    First without O_CREAT: in a sticky folder the kernel refuses to open another user's file with it.
    """
    while True:
        try:
            return _open(lock, os.O_RDWR)
        except FileNotFoundError:
            pass
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _OTHERS_MAY_USE)
        except FileExistsError:
            continue
        os.fchmod(descriptor, _OTHERS_MAY_USE)  # the umask took bits away
        return descriptor


def _open(lock: Path, mode: int) -> int:
    """Open a plain file that has no other name: what is written into it must reach nothing else."""
    descriptor = os.open(lock, mode | os.O_NOFOLLOW | os.O_NONBLOCK)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file of its own")
    return descriptor


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _read(descriptor: int) -> Holder | None:
    """Return what the file says; None while its holder has not written it."""
    try:
        return Holder.model_validate_json(os.pread(descriptor, 4096, 0))
    except ValueError:
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


@cache
def _forget_in_forks() -> None:
    """Close the descriptors in forked children, which would hold the lock beyond their parent's death.

    Programs that are started lose them anyway: Python opens files close-on-exec.
    """

    def forget() -> None:
        for descriptor in _held:
            os.close(descriptor)
        _held.clear()

    os.register_at_fork(after_in_child=forget)
