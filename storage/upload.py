"""What becomes of a file that came through the API."""

from enum import StrEnum


class UploadState(StrEnum):
    """Where an upload is in its life."""

    WAITING = "waiting"
    READING = "reading"
    DONE = "done"
    REFUSED = "refused"


UNREAD = (UploadState.WAITING, UploadState.READING)
"""States in which the file is still needed."""
