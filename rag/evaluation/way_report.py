"""What one way to answer made of the questions that it was asked."""

from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict

from rag.answering.answer import Way
from rag.evaluation.asked import Group
from rag.evaluation.metrics import mean_metrics

ROUTED = "routed"
"""The name of the way that a release decides for each question."""
F1, EXACT, SUPPORT, HONEST = "token F1", "exact match", "support", "not made up"
"""Metrics, each from 0 to 1; more is better."""
MIXED = "all, each group alike"


class AnsweredQuestion(BaseModel):
    """A question, what is right, what was said, and what that is worth."""

    model_config = ConfigDict(frozen=True)

    id: str
    group: Group
    document: str
    """Where the answer stands; empty if no document has one."""
    question: str
    expected: str
    said: str
    way: Way
    """How the answer came, which a routed one tells."""
    f1: float
    """Of the words; 1 for a refusal where there is no answer, 0 where there is one. 0 too if nobody answered."""
    exact: float
    support: float
    """How much of the answer's sentences its source says, on the average; that of a refusal is its F1."""
    made_up: bool
    """An answer was given, of which no sentence is borne out by the source or by the right answer.

    The right answer's words are not enough for that: in the sentence of another fact, most are the same."""
    confidence: float | None = None
    """Of the chat model alone, not calibrated."""
    latency_ms: float | None = None
    """To the whole answer; None if it was not timed."""

    @property
    def metrics(self) -> dict[str, float]:
        """By name, more is better."""
        return {F1: self.f1, EXACT: self.exact, SUPPORT: self.support, HONEST: float(not self.made_up)}


class WayReport(BaseModel):
    """One way on one set of questions."""

    model_config = ConfigDict(frozen=True)

    way: str
    """A way, or `routed`."""
    evaluation_set: str
    """The digest of the questions."""
    answers: tuple[AnsweredQuestion, ...]
    memory_bytes: int
    """By how much the process grew at most, from before the models and the index were opened to the last answer.

    What another way has left behind in the same process is not counted again."""
    serving_bytes: int
    """Size of the files of the models and the index that it answers with."""
    card_bytes: int | None
    """Of the card's memory, what was taken at most; None without a card."""

    @property
    def groups(self) -> list[Group]:
        """Those that were asked."""
        asked = {answer.group for answer in self.answers}
        return [group for group in Group if group in asked]

    def of(self, group: Group | None) -> list[AnsweredQuestion]:
        """Return the answers of a group, or all that count."""
        if group is None:
            return [answer for answer in self.answers if answer.group.counts]
        return [answer for answer in self.answers if answer.group is group]

    def means(self, group: Group | None = None) -> dict[str, float]:
        """Return the mean of each metric in a group; of all, each group counts alike."""
        if group is not None:
            return mean_metrics([answer.metrics for answer in self.of(group)])
        return mean_metrics([self.means(each) for each in self.groups if each.counts])

    def made_up(self, group: Group | None = None) -> float:
        """Return the share of the answers that are made up; of all, each group counts alike."""
        return round(1 - self.means(group)[HONEST], 4) if self.of(group) else 0.0

    def from_memory(self, group: Group | None = None) -> float:
        """Return the share of the answers that came from the chat model's memory."""
        answers = self.of(group)
        return sum(answer.way is Way.CLOSED_BOOK for answer in answers) / len(answers) if answers else 0.0

    def latency_ms(self, percentile: float) -> float:
        """Return a percentile of the time to a whole answer, over the questions that were timed."""
        timed = [answer.latency_ms for answer in self.answers if answer.latency_ms is not None]
        return round(float(np.percentile(timed, percentile)), 1) if timed else 0.0


def paired(candidate: WayReport, production: WayReport) -> list[tuple[AnsweredQuestion, AnsweredQuestion]]:
    """Return the questions that both answered and that count, in the candidate's order."""
    others = {answer.id: answer for answer in production.of(None)}
    return [(answer, others[answer.id]) for answer in candidate.of(None) if answer.id in others]


def group_weights(groups: Iterable[Group]) -> list[float]:
    """Return for each question what it counts, so that each group counts alike and their mean is 1."""
    own = list(groups)
    sizes = {group: own.count(group) for group in set(own)}
    return [len(own) / (len(sizes) * sizes[group]) for group in own]
