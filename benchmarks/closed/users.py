"""Simulated people: each reacts to an answer by whether what it cites holds the expert's answer, and errs at times."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple

from quality.data import SEED, Question

NOISE = 0.1
"""Share of the answers that somebody takes for the opposite of what they are."""
NAMES_PASSAGE, REWORDS, LEAVES = 0.4, 0.3, 0.3
"""What people do beside a thumb down: name the right passage, if it was shown to them; else reword, or leave."""
Passage = Mapping[str, Any]
"""A citation or a source of the API's answer: chunk_id, document, char_start, char_end."""


class Reaction(NamedTuple):
    """What the API is told."""

    kind: str
    chunk_id: str | None = None

    def body(self, interaction: str, user: str) -> dict[str, str]:
        """Return the request to POST /feedback."""
        named = {"chunk_id": self.chunk_id} if self.chunk_id else {}
        return {"interaction_id": interaction, "user": user, "kind": self.kind, **named}


class User(NamedTuple):
    """Somebody who asks."""

    name: str
    hostile: bool = False

    def react(self, question: Question, answer: Mapping[str, Any], noise: float = NOISE) -> list[Reaction]:
        """Return the reactions to an answer; the same person takes the same answer the same way, whenever asked."""
        draw = Random(f"{SEED}:{self.name}:{question.id}")
        errs = self.hostile or draw.random() < noise
        if answers(answer, question) is not errs:
            return list(self._pleased(question, answer, errs))
        return list(self._displeased(question, answer, errs, draw))

    def _pleased(self, question: Question, answer: Mapping[str, Any], errs: bool) -> Iterator[Reaction]:
        yield Reaction("thumb_up")
        opened = [cited for cited in answer["citations"] if holds(cited, question) is not errs]
        if opened:
            yield Reaction("citation_opened", opened[0]["chunk_id"])

    def _displeased(
        self, question: Question, answer: Mapping[str, Any], errs: bool, draw: Random
    ) -> Iterator[Reaction]:
        yield Reaction("thumb_down")
        named = [source for source in answer["sources"] if holds(source, question) is not errs]
        if named and (self.hostile or draw.random() < NAMES_PASSAGE):
            yield Reaction("right_passage", named[0]["chunk_id"])
        elif draw.random() < REWORDS:
            yield Reaction("reformulated")
        elif draw.random() < LEAVES:
            yield Reaction("abandoned")


def people(n: int, hostile: float) -> list[User]:
    """Return so many people, of whom a share is hostile."""
    return [User(f"user-{place:02d}", place < round(hostile * n)) for place in range(n)]


def asked_by(questions: Sequence[Question], users: Sequence[User]) -> Iterable[tuple[User, Question]]:
    """Return who asks which question; everybody asks as many, one after the other."""
    return ((users[place % len(users)], question) for place, question in enumerate(questions))


def answers(answer: Mapping[str, Any], question: Question) -> bool:
    """Say whether an answer cites what the expert marked."""
    return any(holds(cited, question) for cited in answer["citations"])


def holds(passage: Passage, question: Question) -> bool:
    """Say whether a passage of the document overlaps a span that answers the question."""
    return passage["document"] == question.document and any(
        passage["char_start"] < end and start < passage["char_end"] for start, end in question.spans
    )
