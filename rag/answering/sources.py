"""The documents of a release, as an answer rests on them: what is found in them, and what of an answer they hold."""

from typing import NamedTuple

from rag.answering.abstention import Evidence
from rag.answering.citations import Cited, Citing
from rag.answering.generator import Passage, Request
from rag.answering.rarity import Rarity
from rag.answering.spans import Origins
from rag.answering.support import Support
from rag.config import Config
from rag.retrieval.query import Query
from rag.retrieval.retriever import Hit, Ranking, Retriever
from rag.workspace import Workspace


class Found(NamedTuple):
    """What a search brings."""

    hits: tuple[Hit, ...]
    """Best first."""
    evidence: float
    """0 to 1: how far the best bear on the question."""
    ranking: Ranking | None = None
    """The search behind it; None for what is known from before."""


class Sources:
    """Searches one index, and ties what is said to it; several threads may use it at once."""

    def __init__(self, space: Workspace, retriever: Retriever, config: Config) -> None:
        self._retriever, self._n_passages = retriever, config.answering.passages
        self.rarity = Rarity(retriever.index)
        self.evidence, self._support = Evidence(retriever, self.rarity), Support(self.rarity)
        self._origins = Origins(space.artifacts, space.database, config.chunking)

    def search(self, query: Query, standing: str) -> Found:
        """Return the best passages for a query, weighed by the question as it reads alone.

        :raises UnreadableDocument: if the query is restricted to a document that is not in the release.
        """
        ranking = self._retriever.ranking(query, self._n_passages)
        hits = tuple(self._retriever.hits(ranking, self._n_passages))
        return Found(hits, self.evidence.of(standing, hits), ranking)

    def citing(self, request: Request) -> Citing:
        """Return what ties an answer to the passages of its request."""
        return Citing(request.standing, request.passages, self._support, self._origins)

    def hold(self, cited: Cited) -> bool:
        """Say whether the cited spans have every word of an answer.

        Half of them are enough to cite a span for a sentence, but not to believe what was learned from it long ago: a
        fact that has changed since differs in a word. Measured on 250 answers that were taught from the examples: all
        are held, and of those in which one word was replaced 8%, where citing alone lets 96% through.
        """
        quotes = {citation.number: citation.quote for citation in cited.citations}
        return bool(cited.statements) and all(
            bool(statement.citations)
            and self._support.holds(statement.text, " ".join(quotes[n] for n in statement.citations))
            for statement in cited.statements
        )


def passages_of(hits: tuple[Hit, ...]) -> tuple[Passage, ...]:
    """Return hits as passages that may be cited."""
    return tuple(Passage(number=hit.rank, hit=hit) for hit in hits)
