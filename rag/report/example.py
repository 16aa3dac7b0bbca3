"""A question that went better or worse, with what was found for it: text that people wrote."""

from collections.abc import Sequence
from typing import NamedTuple


class Passage(NamedTuple):
    """What was found, or should have been."""

    document: str
    page_no: int | None
    text: str
    right: bool
    """Whether it holds the evidence."""


class Side(NamedTuple):
    """What one release made of a question."""

    result: str
    """The rank of the evidence, or the way to the answer and its score."""
    passages: Sequence[Passage] = ()
    """Best first."""
    answer: str | None = None
    """Where answers are judged."""


class Example(NamedTuple):
    """A question before and after."""

    id: str
    about: str
    """Its document and kind."""
    change: str
    question: str | None
    """None if its text is gone, with the document that it was about."""
    expected: str | None
    """The right answer."""
    evidence: Sequence[Passage]
    before: Side
    after: Side
