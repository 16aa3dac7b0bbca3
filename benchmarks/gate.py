"""How often the gate calls a release better that is not, and which gain it finds, by the number of questions.

    python benchmarks/gate.py [--draws 1000] [--picture OUT.png] [--home FOLDER] [--json OUT.json]
    python benchmarks/gate.py --results RESULTS.json --before "untuned, mixed" --after "tuned, re-ranked"
    python benchmarks/gate.py --model

Compares what two releases made of covidqa (RAGLOOP_BENCH_DATA): the untuned mix, and the same re-ranked; or any two
systems that benchmarks/retrieval.py has measured. Without either, releases of a stated model. Exits with 1 if more than
5% of the null comparisons, or of the productions that face candidates no better than they are, end in a promotion; or
if, of real releases, 400 questions find only gains of more than 4 points of a first candidate, 8 times in 10 and by the
metric that decides.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from quality.asking import Exam
from quality.data import covidqa, data_root
from quality.home import ingest, open_home
from quality.paired import Compared, Floats
from quality.power import picture
from quality.results import UNTUNED_MIX, Results, Run, markdown
from quality.systems import Searched
from scipy import stats
from tqdm import tqdm

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.config import GateConfig
from rag.embedding.artifact import base_embedder
from rag.evaluation.gate import Decision, judge
from rag.evaluation.significance import POWER, Interval, Spread, cautious_interval, look_confidence
from rag.profiles import Profile, load_config
from rag.reranking.artifact import late_interaction
from rag.retrieval.learning import prior_retrieval

METRICS = ("mrr@10", "hit@5")
SIZES = (100, 200, 400, 800)
LOOKS = (1, 5, 20)
ALLOWED = 0.05
ENOUGH, FOUND = 400, 0.04
"""So many questions are to find so large a gain of a first candidate."""
RERANKED = "untuned, re-ranked"
UNCORRECTED = "each candidate judged as if it were the first of"
DEPTH = 30
"""Chunks that are re-ranked."""


class Nulls(NamedTuple):
    """Comparisons in which neither release is better, and how many of them were called better."""

    name: str
    metric: str
    n: int
    better: int

    @property
    def share(self) -> float:
        """Of the comparisons."""
        return self.better / self.n


def main() -> None:
    """Count, print the tables, draw the curves."""
    options = arguments()
    compared, rng = releases(options), np.random.default_rng(options.seed)
    print(f"{compared.name}: {len(compared.documents)} questions of {len(np.unique(compared.documents))} documents\n")
    print(disagreement(compared))
    found = [row for metric in METRICS for row in nulls(compared, metric, options, rng)]
    found += [row for metric in METRICS for row in many_looks(compared, metric, options, rng)]
    print(
        f"\nCalled better, of comparisons of {options.questions} questions in which neither is:\n\n{null_table(found)}"
    )
    sizes = sorted({*options.sizes, ENOUGH})
    lows = {(metric, n): lower_ends(compared, metric, n, options, rng) for metric in METRICS for n in sizes}
    print(f"\nTrue gain that is found {POWER:.0%} of the time, by the candidates tried against the same production:\n")
    print(power_table(lows, sizes))
    metric = GateConfig().metric
    gain, *_ = found_gains(lows[metric, ENOUGH])
    weak = gain > FOUND and not (stated(options) or options.quick)
    print(
        f"\n{'Too weak: ' if weak else ''}{ENOUGH} questions find a first candidate's gain of {100 * gain:.1f} points "
        f"of {metric}; {100 * FOUND:g} at most are wanted of real releases."
    )
    if options.picture:
        first = {key: ends[0] for key, ends in lows.items()}
        options.picture.write_bytes(picture(first, f"Gains that the gate finds: {compared.name}"))
    sys.exit(weak or any(row.share > ALLOWED for row in found if row.name != UNCORRECTED))


def stated(options: argparse.Namespace) -> bool:
    """Say whether the releases are those of the stated model, of which nobody made one."""
    return not options.results and (options.model or not os.environ.get("RAGLOOP_BENCH_DATA"))


def releases(options: argparse.Namespace) -> Compared:
    """Return two releases' answers: measured before, measured now, or modelled."""
    if options.results:
        pooled = Results.model_validate_json(options.results.read_bytes()).pooled("covidqa")
        if missing := [name for name in (options.before, options.after) if name not in pooled]:
            raise SystemExit(f"{options.results} has no system {missing[0]!r}: name one of {', '.join(pooled)}")
    elif stated(options):
        return Compared.modelled(np.random.default_rng(options.seed))
    else:
        pooled = measured(options).pooled("covidqa")
    before, after = (list(pooled[name].values()) for name in (options.before, options.after))
    return Compared.of(f"{options.before} → {options.after}", before, after, METRICS)


def measured(options: argparse.Namespace) -> Results:
    """Ask two releases that need no training all of covidqa's questions."""
    data, config = covidqa(data_root(), options.quick), load_config(Profile.CPU)
    with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        space = open_home(Path(folder).absolute())
        base = base_embedder(space.artifacts, space.settings.models)
        mixed = Searched.build(space, ingest(space, data, config), base, config)
        reranker = late_interaction(space.artifacts, space.device, mixed.models.index, base, config)
        whole = Searched(space, mixed.models.model_copy(update={"reranker": reranker}), mixed.encoding)
        exam, results = Exam(data.questions, mixed.index().chunks), Results(profile=Profile.CPU)
        for system in (
            mixed.system(UNTUNED_MIX, config.retrieval),
            whole.system(RERANKED, prior_retrieval(config.retrieval, DEPTH)),
        ):
            answers = exam.ask(system.open())
            results.runs.append(Run(dataset=data.name, split="all", system=system.name, answers=answers))
    if options.json:
        options.json.write_text(results.model_dump_json(), encoding="utf-8")
    return results


def disagreement(compared: Compared) -> str:
    """Return what the releases' answers differ by, and how much more those of one document do so together."""
    rows = []
    for metric in METRICS:
        values = compared.differences(metric)
        spread = Spread.of(values.tolist(), compared.documents.tolist())
        together = spread.error**2 / (values.var(ddof=1) / len(values))
        differ = f"{np.mean(values != 0):.1%}"
        rows.append([metric, f"{values.mean():+.3f}", differ, f"{values.std(ddof=1):.3f}", f"{together:.2f}"])
    return markdown(["metric", "gain", "questions that differ", "standard deviation", "variance over that apart"], rows)


def nulls(compared: Compared, metric: str, options: argparse.Namespace, rng: np.random.Generator) -> list[Nulls]:
    """Judge releases on drawn questions where neither is better."""
    config, still = GateConfig(metric=metric), compared.moved()
    ways: dict[str, Callable[[], Compared]] = {
        "the same release against itself": lambda: compared.drawn(options.questions, rng).itself(),
        "swapped by question": lambda: compared.drawn(options.questions, rng).swapped(rng, by_document=False),
        "swapped by document": lambda: compared.drawn(options.questions, rng).swapped(rng, by_document=True),
        "moved to no gain": lambda: still.drawn(options.questions, rng),
    }
    found = []
    for name, way in ways.items():
        verdicts = [judge(*way().reports(), config) for _ in said(range(options.nulls), f"{metric}, {name}")]
        better = sum(verdict.decision is Decision.PROMOTE for verdict in verdicts)
        found.append(Nulls(name, metric, options.nulls, better))
    return found


def many_looks(compared: Compared, metric: str, options: argparse.Namespace, rng: np.random.Generator) -> list[Nulls]:
    """Let productions face one candidate after the other, none better, on the same questions."""
    n, looks = options.nulls, max(LOOKS)
    ends, still = np.empty((2, n, looks)), compared.moved()
    for i in said(range(n), f"{metric}, {looks} looks"):
        frozen = still.drawn(options.questions, rng)
        for look in range(looks):
            values = frozen.swapped(rng, by_document=True).differences(metric)
            for row, earlier in enumerate((look, 0)):
                ends[row, i, look] = interval(values, frozen.documents, earlier).low
    displaced = (ends > 0).any(axis=2).sum(axis=1).tolist()
    names = (f"production after {looks} candidates", f"{UNCORRECTED} {looks}")
    return [Nulls(name, metric, n, lost) for name, lost in zip(names, displaced, strict=True)]


def lower_ends(
    compared: Compared, metric: str, n: int, options: argparse.Namespace, rng: np.random.Generator
) -> Floats:
    """Return the lower ends of intervals over n drawn questions without a true gain, (looks, draws).

    A gain moves all differences of an interval alike, so that one is found where it is above -1 times the lower end.
    """
    still = compared.moved()
    ends = np.empty((len(LOOKS), options.draws))
    for i in said(range(options.draws), f"{metric}, {n} questions"):
        drawn = still.drawn(n, rng)
        for row, look in enumerate(LOOKS):
            ends[row, i] = interval(drawn.differences(metric), drawn.documents, look - 1).low
    return ends


def interval(values: Floats, documents: Any, earlier_looks: int) -> Interval:
    """Return the gate's interval, as its defaults are."""
    config = GateConfig()
    confidence = look_confidence(config.confidence, earlier_looks)
    return cautious_interval(values.tolist(), documents.tolist(), confidence, config.resamples, config.seed)


def null_table(found: Sequence[Nulls]) -> str:
    """Return the shares called better, with the interval of Clopper and Pearson (1934)."""
    rows = []
    for row in found:
        low, high = stats.binomtest(row.better, row.n).proportion_ci(method="exact")
        rows.append([row.name, row.metric, str(row.n), f"{row.share:.1%} [{low:.1%}, {high:.1%}]"])
    return markdown(["neither is better", "metric", "comparisons", "called better"], rows)


def power_table(lows: Mapping[tuple[str, int], Floats], sizes: Sequence[int]) -> str:
    """Return the smallest true gain that is found with probability POWER, in points."""
    header = ["questions", *(f"{metric}, candidate {look}" for metric in METRICS for look in LOOKS)]
    rows = [[str(n), *(f"{100 * gain:.1f}" for m in METRICS for gain in found_gains(lows[m, n]))] for n in sizes]
    return markdown(header, rows)


def found_gains(ends: Floats) -> list[float]:
    """Return for each look the true gain that POWER of the draws, (looks, draws), find."""
    return np.quantile(-ends, POWER, axis=1).tolist()


def said(steps: range, what: str) -> Iterable[int]:
    """Show how far it is."""
    return tqdm(steps, desc=what, disable=None)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nulls", type=int, default=200, help="comparisons of each kind in which neither is better")
    parser.add_argument("--questions", type=int, default=400, help="of such a comparison")
    parser.add_argument("--draws", type=int, default=500, help="evaluation sets for each point of the power curve")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help=f"numbers of questions, beside {ENOUGH}")
    parser.add_argument("--results", type=Path, help="what benchmarks/retrieval.py --json wrote, or this with --json")
    parser.add_argument("--before", default=UNTUNED_MIX, help="system of the results that serves")
    parser.add_argument("--after", default=RERANKED, help="system of the results that is the candidate")
    parser.add_argument("--model", action="store_true", help="releases of a stated model instead of real ones")
    parser.add_argument("--quick", action="store_true", help="a few short documents, to see that it works")
    parser.add_argument("--home", type=Path, help="kept, and used again by the next run; a temporary one unless given")
    parser.add_argument("--json", type=Path, help="write what was asked of covidqa")
    parser.add_argument("--picture", type=Path, help="draw the power curves")
    parser.add_argument("--seed", type=int, default=13)
    return parser.parse_args()


if __name__ == "__main__":
    main()
