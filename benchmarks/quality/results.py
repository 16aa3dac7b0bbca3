"""What a run has measured, question by question, and the tables made of it; kept as one JSON file."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel

from rag.evaluation.significance import Interval, paired_interval

METRICS = ("hit@1", "hit@5", "hit@20", "mrr@10")
OURS, WITHOUT_LABELS, PLAIN = "ours", "without labels", "plain"
"""Recipes."""
BM25, UNTUNED_DENSE, UNTUNED_MIX = "BM25", "untuned, dense", "untuned, mixed"
CONFIDENCE, RESAMPLES, SEED = 0.95, 10_000, 13


class Answered(BaseModel):
    """One question's metrics under one system."""

    question: str
    document: str
    metrics: dict[str, float]
    latency_ms: float


class Run(BaseModel):
    """One system asked all questions of one dataset, or of one split of it."""

    dataset: str
    split: str
    system: str
    parts: tuple[str, ...] = ()
    """The single parts that it mixes; an offered retriever must not end below the better of them."""
    answers: list[Answered]


class Cost(BaseModel):
    """What a training took."""

    recipe: str
    split: str
    pairs: int
    steps: int
    step_s: float
    """Seconds in training steps, and in mining what is learned from."""
    wall_s: float
    """Seconds with loading, validation and saving."""
    peak_mb: int
    """Largest resident memory of its process; of the card's too, `peak_card_mb`."""
    peak_card_mb: int


class CurvePoint(BaseModel):
    """A model on its way: what it scored after so many seconds in training steps."""

    recipe: str
    split: str
    place: int
    """0 is untuned; the last is the trained model."""
    seconds: float
    row: str
    answers: list[Answered]


class Results(BaseModel):
    """All that one run has measured."""

    profile: str
    runs: list[Run] = []
    costs: list[Cost] = []
    curve: list[CurvePoint] = []

    def pooled(self, dataset: str) -> dict[str, dict[str, Answered]]:
        """Return the answers of each system by question, over all splits and corpora of a dataset."""
        systems: dict[str, dict[str, Answered]] = {}
        for run in self.runs:
            if run.dataset == dataset:
                systems.setdefault(run.system, {}).update({answer.question: answer for answer in run.answers})
        return systems


def tables(results: Results) -> str:
    """Return every table as Markdown."""
    blocks = []
    for dataset in dict.fromkeys(run.dataset for run in results.runs):
        splits = ", ".join(dict.fromkeys(run.split for run in results.runs if run.dataset == dataset))
        n = len(next(iter(results.pooled(dataset).values())))
        blocks += [f"## {dataset} ({splits}): {n} questions", _absolute(results, dataset)]
        if dataset == "covidqa":
            blocks += [
                "Paired gain over the untuned mix:",
                _gains(results, dataset, UNTUNED_MIX, []),
                "Paired gain of the dense rows over untuned dense:",
                _gains(results, dataset, UNTUNED_DENSE, [s for s in results.pooled(dataset) if s.endswith("dense")]),
            ]
        blocks += ["Each retriever against the better of its own parts:", _against_parts(results, dataset)]
    blocks += ["## Training", _costs(results.costs)] if results.costs else []
    return "\n\n".join(blocks)


def mean(answers: Sequence[Answered], metric: str) -> float:
    """Return the mean of a metric."""
    return float(np.mean([answer.metrics[metric] for answer in answers]))


def gain(after: dict[str, Answered], before: dict[str, Answered], metric: str) -> Interval:
    """Return the paired difference over the questions that both were asked, by document."""
    shared = [question for question in after if question in before]
    differences = [after[q].metrics[metric] - before[q].metrics[metric] for q in shared]
    return paired_interval(differences, [after[q].document for q in shared], CONFIDENCE, RESAMPLES, SEED)


def _absolute(results: Results, dataset: str) -> str:
    rows = []
    for system, answers in results.pooled(dataset).items():
        asked = list(answers.values())
        documents = [answer.document for answer in asked]
        cells = []
        for metric in METRICS:
            found = paired_interval([a.metrics[metric] for a in asked], documents, CONFIDENCE, RESAMPLES, SEED)
            cells.append(f"{found.mean:.3f} [{max(0, found.low):.2f}, {min(1, found.high):.2f}]")
        times = [answer.latency_ms for answer in asked]
        rows.append([system, *cells, f"{np.mean(times):.0f}", f"{np.percentile(times, 95):.0f}"])
    return markdown(["system", *METRICS, "ms a query", "p95 ms"], rows)


def _gains(results: Results, dataset: str, reference: str, systems: Sequence[str]) -> str:
    pooled = results.pooled(dataset)
    if reference not in pooled:
        return f"({reference} was not asked)"
    compared = [system for system in systems or pooled if system != reference]
    rows = [[s, *(str(gain(pooled[s], pooled[reference], metric)) for metric in METRICS)] for s in compared]
    return markdown([f"against {reference}", *METRICS], rows)


def _against_parts(results: Results, dataset: str) -> str:
    pooled = results.pooled(dataset)
    parts = {run.system: run.parts for run in results.runs if run.dataset == dataset and run.parts}
    rows = []
    for system, own in parts.items():
        cells = []
        for metric in METRICS:
            better = max(own, key=lambda part: mean(list(pooled[part].values()), metric))
            cells.append(f"{gain(pooled[system], pooled[better], metric)} {better}")
        rows.append([system, *cells])
    return markdown(["system", *METRICS], rows)


def _costs(costs: Sequence[Cost]) -> str:
    header = ["split", "recipe", "pairs", "steps", "s in steps", "s in all", "peak MB", "peak MB on the card"]
    return markdown(
        header,
        [
            [c.split, c.recipe, *map(str, (c.pairs, c.steps)), f"{c.step_s:.0f}", f"{c.wall_s:.0f}", str(c.peak_mb)]
            + [str(c.peak_card_mb) if c.peak_card_mb else "-"]
            for c in costs
        ],
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
