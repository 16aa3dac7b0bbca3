"""Errors of the library. Each message is one line that names the thing and says the remedy."""

from storage.errors import RagloopError as RagloopError


class ConfigError(RagloopError):
    """A setting, profile or model name that cannot be used."""


class UnreadableDocument(RagloopError):
    """A file that cannot be turned into text: locked, damaged, empty, or of a kind not known."""


class DocumentNotFound(RagloopError):
    """No document of a collection answers to that id, or it has no such page or place."""


class EmptyCorpus(RagloopError):
    """Nothing to work on: no documents, no chunks, or no text."""


class LanguageModelUnavailable(RagloopError):
    """A language model that gives no usable answers: key refused, quota used up, out of reach, or not fit for it."""


class BadQuestions(RagloopError):
    """A questions file with a line that cannot be used."""


class LeakFound(RagloopError):
    """A training pair touches the evaluation set."""


class UnfaithfulEncoder(RagloopError):
    """An exported encoder whose vectors are too far from those of the embedder."""


class DimensionMismatch(RagloopError):
    """Vectors of one model met an index of another."""


class OutOfMemory(RagloopError):
    """A training that does not fit this machine's memory, however few texts it takes at a time."""


class NoChatModel(RagloopError):
    """A collection for which none was trained, or none serves."""


class NoGenerator(RagloopError):
    """Nobody was left to answer a question; the message names each that was asked, and why it did not."""


class UnsuitedQuestion(NoGenerator):
    """Nobody who was asked can answer this question, however often it is asked, which says nothing of the next one."""
