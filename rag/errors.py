"""Errors of the library. Each message is one line that names the thing and says the remedy."""

from storage.errors import RagloopError


class ConfigError(RagloopError):
    """A setting, profile or model name that cannot be used."""


class UnreadableDocument(RagloopError):
    """A file that cannot be turned into text: locked, damaged, empty, or of a kind not known."""


class EmptyCorpus(RagloopError):
    """Nothing to work on: no documents, no chunks, or no text."""


class BadQuestions(RagloopError):
    """A questions file with a line that cannot be used."""


class LeakFound(RagloopError):
    """A training pair touches the evaluation set."""


class DimensionMismatch(RagloopError):
    """Vectors of one model met an index of another."""
