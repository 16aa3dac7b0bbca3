"""Two releases that answered the same questions, and evaluation sets drawn from them, in which the truth is known."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.report import EvaluationReport, QuestionResult
from rag.pairs.pair import Origin, QuestionType

from .results import Answered

Floats = NDArray[np.float64]
_RANKS = np.array([1, 2, 3, 4, 5, 8, 12, 20, np.inf])
_SHARES = np.array([0.5, 0.13, 0.08, 0.05, 0.04, 0.07, 0.05, 0.03, 0.05])
"""Where the answer stands in the stated model: about what the untuned mix does to questions of experts."""


class Compared(NamedTuple):
    """What two releases made of each question, (n,) each."""

    name: str
    documents: NDArray[np.str_]
    before: dict[str, Floats]
    after: dict[str, Floats]

    @classmethod
    def of(cls, name: str, before: Sequence[Answered], after: Sequence[Answered], metrics: Sequence[str]) -> "Compared":
        """Pair what two systems answered."""
        others = {answer.question: answer for answer in before}
        shared = [answer for answer in after if answer.question in others]
        return cls(
            name,
            np.array([answer.document for answer in shared]),
            {m: np.array([others[answer.question].metrics[m] for answer in shared]) for m in metrics},
            {m: np.array([answer.metrics[m] for answer in shared]) for m in metrics},
        )

    @classmethod
    def modelled(
        cls, rng: np.random.Generator, documents: int = 60, each: int = 14, changed: float = 0.3
    ) -> "Compared":
        """Return releases that were never made: a share of the questions, by chance, gets another rank from the second.

        The share varies between documents, as a Beta(2, 2 / changed - 2) does.
        """
        ranks = rng.choice(_RANKS, documents * each, p=_SHARES)
        shares = np.repeat(rng.beta(2, 2 / changed - 2, documents), each)
        others = np.where(rng.random(len(ranks)) < shares, rng.choice(_RANKS, len(ranks), p=_SHARES), ranks)
        names = np.repeat([f"d{i}" for i in range(documents)], each)
        return cls("stated model", names, _scores(ranks), _scores(others))

    def drawn(self, n: int, rng: np.random.Generator) -> "Compared":
        """Return an evaluation set of n questions: whole documents, with replacement; the last one is cut."""
        names = np.unique(self.documents)
        chosen: list[NDArray[np.int64]] = []
        while sum(map(len, chosen)) < n:
            own = np.flatnonzero(self.documents == names[rng.integers(len(names))])
            chosen.append(own[: n - sum(map(len, chosen))])
        rows = np.concatenate(chosen)
        # Drawn twice, it stands for two documents.
        places = np.repeat(np.arange(len(chosen)), [len(own) for own in chosen]).astype(np.str_)
        before, after = ({m: v[rows] for m, v in side.items()} for side in (self.before, self.after))
        return Compared(self.name, places, before, after)

    def itself(self) -> "Compared":
        """Return the first release against itself."""
        return self._replace(after=self.before)

    def swapped(self, rng: np.random.Generator, by_document: bool) -> "Compared":
        """Let chance say which release is which, for each question or each document: neither is better."""
        _, owner = np.unique(self.documents, return_inverse=True)
        owner = owner if by_document else np.arange(len(self.documents))
        swap = rng.integers(0, 2, len(self.documents)).astype(bool)[owner]
        return self._replace(
            before={m: np.where(swap, self.after[m], self.before[m]) for m in self.before},
            after={m: np.where(swap, self.before[m], self.after[m]) for m in self.before},
        )

    def moved(self, gain: float = 0.0) -> "Compared":
        """Return it with the second release's scores moved so that the mean gain over these questions is this one."""
        move = {m: gain - (self.after[m] - self.before[m]).mean() for m in self.before}
        return self._replace(after={m: self.after[m] + move[m] for m in self.before})

    def differences(self, metric: str) -> Floats:
        """Return the paired differences."""
        return self.after[metric] - self.before[metric]

    def reports(self) -> tuple[EvaluationReport, EvaluationReport]:
        """Return what the gate reads: the report of the second release, the candidate, and of the first."""
        return self._report(self.after), self._report(self.before)

    def _report(self, scores: dict[str, Floats]) -> EvaluationReport:
        questions = tuple(
            QuestionResult(
                id=str(i),
                document=str(document),
                origin=Origin.REAL,
                question_type=QuestionType.FACTUAL,
                metrics={m: float(values[i]) for m, values in scores.items()},
                latency_ms=1.0,
            )
            for i, document in enumerate(self.documents)
        )
        return EvaluationReport(evaluation_set=self.name, questions=questions, general_hit1=1.0, serving_bytes=0)


def _scores(ranks: Floats) -> dict[str, Floats]:
    return {"mrr@10": np.where(ranks <= 10, 1 / ranks, 0.0), "hit@5": (ranks <= 5).astype(np.float64)}
