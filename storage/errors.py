"""The base of every error that a user can mend, and those of storage.

Each message is one line: it names the thing and says the remedy. The command line prints it and exits with 2.
"""


class RagloopError(Exception):
    """Something the user can mend; the message says how."""


class StorageError(RagloopError):
    """Bytes, rows or folders that cannot be read or written."""


class SealBroken(StorageError):
    """A sealed file or value was altered, cut short, or moved from its place."""


class WrongKey(StorageError):
    """The key at hand did not seal this home."""


class ArtifactMissing(StorageError):
    """An artifact that is referred to is not in the store."""


class ReleaseNotFound(StorageError):
    """No release answers to that id."""


class ReleaseWithdrawn(StorageError):
    """A release that may not serve again."""


class ProductionMoved(StorageError):
    """Another release began to serve than the one that was to be replaced."""
