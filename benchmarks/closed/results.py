"""What each arm served after each round, question by question, and the tables made of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel
from quality.results import CONFIDENCE, RESAMPLES, SEED, Answered, markdown, mean

from rag.evaluation.significance import Interval, cautious_interval
from storage.plain_files import write_plain_files

from .plan import DEV, HELD_OUT

METRICS = ("hit@5", "mrr@10")
BOTH = "both"
SETS = (DEV, HELD_OUT, BOTH)


class Point(BaseModel):
    """What an arm serves after a round; round 0 is before anybody asked."""

    arm: str
    round: int
    release: int
    verdict: str = ""
    """What the gate said of the round's candidate."""
    asked: int = 0
    right: int = 0
    """Answers of the round that cited what the expert marked."""
    minutes: float = 0.0
    answers: dict[str, list[Answered]]
    """What the release finds for the questions of DEV and HELD_OUT."""

    def of(self, name: str) -> list[Answered]:
        """Return the answers to a set of questions."""
        return [each for part in ((DEV, HELD_OUT) if name == BOTH else (name,)) for each in self.answers[part]]


class Results(BaseModel):
    """All points, by arm and round."""

    rounds: int
    """That the questions were dealt out to."""
    quick: bool
    points: list[Point] = []

    @classmethod
    def begun(cls, file: Path, rounds: int, quick: bool) -> Self:
        """Return what a run that was killed has kept in a file, or keep that nothing was found yet.

        :raises SystemExit: if that run had other rounds, or other data.
        """
        if not file.exists():
            begins = cls(rounds=rounds, quick=quick)
            begins.keep(file)
            return begins
        kept = cls.model_validate_json(file.read_bytes())
        if (kept.rounds, kept.quick) != (rounds, quick):
            begun = f"--rounds {kept.rounds}{' --quick' if kept.quick else ''}"
            raise SystemExit(f"{file.parent} holds a run that began with {begun}: give the same, or another --home")
        return kept

    def keep(self, file: Path) -> None:
        """Write it to a file that is whole at any time."""
        write_plain_files(file.parent, {file.name: [self.model_dump_json()]})

    def arm(self, name: str) -> list[Point]:
        """Return an arm's points, in order."""
        return sorted((point for point in self.points if point.arm == name), key=lambda point: point.round)

    @property
    def arms(self) -> list[str]:
        """Return the names of the arms."""
        return list(dict.fromkeys(point.arm for point in self.points))


def gain(after: Point, before: Point, name: str, metric: str) -> Interval:
    """Return the paired difference over the questions of a set, by document."""
    others = {each.question: each.metrics[metric] for each in before.of(name)}
    shared = [each for each in after.of(name) if each.question in others]
    differences = [each.metrics[metric] - others[each.question] for each in shared]
    return cautious_interval(differences, [each.document for each in shared], CONFIDENCE, RESAMPLES, SEED)


def worse(points: Sequence[Point]) -> list[str]:
    """Return where a round served what is proven worse than what was served before."""
    found = []
    for before, after in zip(points, points[1:], strict=False):
        for name in SETS:
            for metric in METRICS:
                change = gain(after, before, name, metric)
                if change.high < 0:
                    found.append(f"{after.arm}, round {after.round}: {metric} on {name} {change}")
    return found


def tables(results: Results) -> str:
    """Return the points, what the last round gained over the first and over the other arms, and what fell."""
    sizes = ", ".join(f"{name} {len(results.points[0].of(name))} questions" for name in SETS)
    header = ["arm", "round", *(f"{metric} {name}" for name in SETS for metric in METRICS)]
    rows = [
        [point.arm, str(point.round)]
        + [f"{mean(point.of(name), metric):.3f}" for name in SETS for metric in METRICS]
        + [str(point.release), f"{point.right}/{point.asked}" if point.asked else "", point.verdict]
        for arm in results.arms
        for point in results.arm(arm)
    ]
    blocks = [sizes, markdown([*header, "release", "cited right", "verdict"], rows)]
    ends = {arm: (points[0], points[-1]) for arm in results.arms if (points := results.arm(arm))}
    compared = [[arm, *_gains(last, first)] for arm, (first, last) in ends.items()]
    blocks += ["Last round against the first:", markdown(["arm", *header[2:]], compared)]
    leader, *others = ends
    beside = [[f"{leader} against {arm}", *_gains(ends[leader][1], ends[arm][1])] for arm in others]
    if beside:
        blocks += ["Last rounds against each other:", markdown(["", *header[2:]], beside)]
    fell = [line for arm in results.arms for line in worse(results.arm(arm))]
    blocks += ["Rounds that served what is proven worse than before: " + ("; ".join(fell) or "none")]
    return "\n\n".join(blocks)


def _gains(after: Point, before: Point) -> list[str]:
    return [str(gain(after, before, name, metric)) for name in SETS for metric in METRICS]
