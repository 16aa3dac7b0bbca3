"""What a document says in words of its own: by these its text is known again wherever somebody quoted it."""

from collections.abc import Iterable, Iterator

from rag.pairs.words import words

RUN = 6
"""Words in a row that are taken for a quotation."""


class Wording:
    """The runs of words that stand in some texts and in none of the others."""

    def __init__(self, own: Iterable[str], others: Iterable[str]) -> None:
        """Compare the texts of a document with those that stay; a shorter text counts as a whole."""
        self._runs = {run for text in own for run in _runs(text)}
        self._shorter = {len(run) for run in self._runs if len(run) < RUN}
        for text in others:
            self._runs.difference_update(_runs(text))

    def quoted_in(self, *texts: str | None) -> bool:
        """Say whether one of the texts holds such a run."""
        return any(not self._runs.isdisjoint(self._all(text)) for text in texts if text)

    def _all(self, text: str) -> Iterator[tuple[str, ...]]:
        yield from _runs(text)
        for size in self._shorter:
            yield from _runs(text, size)


def _runs(text: str, size: int = RUN) -> Iterator[tuple[str, ...]]:
    said = words(text)
    size = min(size, len(said))
    return (tuple(said[i : i + size]) for i in range(len(said) - size + 1) if size)
