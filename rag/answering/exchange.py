"""A question on its way to its answer, and the interaction that is kept of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from rag.answering.answer import Answer, Drawn, Piece, Question, Silent, Turn
from rag.answering.citations import Cited
from rag.answering.sources import Found
from rag.feedback.signals import Interaction, Retrieved
from rag.pairs.follow_ups import resolved_question
from rag.retrieval.retriever import Hit, Ranking
from storage.release import Release

_TURNS = TypeAdapter(tuple[Turn, ...])


@dataclass
class Exchange:
    """What is known of it so far."""

    question: Question
    drawn: Drawn | None = None
    """Its part in an experiment, if it has one."""
    aside: bool = False
    """Whether it only shows what would be answered: it is answered anew, and nothing is kept of it."""
    began: float = field(default_factory=time.perf_counter)
    hits: tuple[Hit, ...] = ()
    evidence: float = 0.0
    ranking: Ranking | None = None
    """The search for the hits; None if they are known from before."""
    cited: Cited | None = None
    """What was said at last with its sources, whether it is given as the answer or not."""
    said: list[str] = field(default_factory=list)
    generator: str | None = None
    silent: list[Silent] = field(default_factory=list)
    answer: Answer | None = None
    timings: dict[str, float] = field(default_factory=dict)
    forgot: tuple[Silent, ...] = ()
    """Who was to answer before any generator: the release that was drawn, the chat model's memory."""
    settled: bool = True
    """Whether the question would be answered the same again."""
    searched: bool = False
    recorded: bool = False

    def __post_init__(self) -> None:
        """Name the release that was drawn and cannot answer."""
        if self.drawn:
            self.forgot = self.drawn.silent

    @property
    def variant(self) -> str | None:
        """What its answer says of the experiment."""
        return self.drawn.variant if self.drawn else None

    @property
    def earlier(self) -> tuple[str, ...]:
        """What the person asked before, oldest first."""
        return tuple(turn.content for turn in self.question.history if turn.role == "user")

    @cached_property
    def standing(self) -> str:
        """The question as it reads alone."""
        return resolved_question(self.question.text, self.earlier)

    def again(self, known: Answer) -> Answer:
        """Return the answer that was given to this question before, as one to it."""
        own = {"id": self.question.id, "question": self.question.text, "cached": True}
        return known.model_copy(update=own)

    def take(self, found: Found) -> None:
        """Keep what was found."""
        self.hits, self.evidence, self.ranking = found
        self.searched = True

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note the seconds that a step takes, whether it ends well or not."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings[step] = time.perf_counter() - began

    def seconds(self) -> dict[str, float]:
        """Return the seconds by step, and until now in all."""
        timings = {**self.timings, "total": time.perf_counter() - self.began}
        return {name: round(s, 4) for name, s in timings.items()}

    def says(self, text: str) -> Piece:
        """Return more of the answer, and keep it."""
        self.said.append(text)
        return Piece(text=text, generator=self.generator or "")

    def interaction(self, release: Release) -> Interaction:
        """Return what is kept of it, as far as it got."""
        answer, said = self.answer, "".join(self.said)
        told: dict[str, Any] = (
            {
                **answer.model_dump(include={"generator", "found", "support", "silent", "cached", "timings"}),
                "answer": answer.text,
                "citations": [c.model_dump(exclude={"document", "page_no", "quote"}) for c in answer.citations],
            }
            if answer
            else {
                "answer": said or None,
                "generator": self.generator,
                "silent": [silent.model_dump() for silent in (*self.forgot, *self.silent)],
                "timings": self.seconds(),
            }
        )
        return Interaction(
            id=self.question.id,
            collection=release.collection,
            release_id=release.id,
            question=self.question.text,
            history=_TURNS.dump_json(self.question.history).decode() if self.question.history else None,
            retrieved=tuple(
                Retrieved(chunk_id=hit.chunk.chunk_id, rank=hit.rank, score=hit.score) for hit in self.hits
            ),
            variant=self.variant,
            user_fingerprint=self.question.user_fingerprint,
            **told,
        )
