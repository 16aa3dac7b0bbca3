"""Retrainings as the API knows them: whoever runs it says how they are started and looked at."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel


class RunState(StrEnum):
    """How far a retraining is."""

    WAITING = "waiting"
    """For a worker."""
    RUNNING = "running"
    DONE = "done"
    """Whether its release is better or not."""
    FAILED = "failed"
    CANCELLED = "cancelled"


class Run(BaseModel):
    """A retraining that was started: by a person, by feedback, or by the night."""

    run: str
    """Its id on the Prefect server."""
    name: str
    state: RunState
    said: str | None
    """What came of it or went wrong, in a line."""
    started_at: datetime | None
    """When it was to begin, as long as it waits."""
    ended_at: datetime | None


class Retrainings(Protocol):
    """Those who train."""

    def start(self, collection: str) -> str:
        """Start a retraining and return its run's id.

        :raises RagloopError: if it was not started; says why.
        """

    def last(self, collection: str) -> Sequence[Run]:
        """Return the last retrainings, newest first.

        :raises RagloopError: if they cannot be looked at; says why.
        """
