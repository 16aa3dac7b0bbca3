"""What the gate makes of sabotage: shuffled labels, lost documents, a slow reranker, a chat model that invents.

    python benchmarks/sabotage.py [--runs 5] [--kinds slow,inventing] [--home FOLDER]

But for shuffled labels, which leave nothing to hide behind, each sabotage is hidden in a candidate that is better than
what serves, so that nothing else speaks against it; the rows "none", the same without it, are to be promoted. Exits
with 1 if a sabotaged candidate is promoted or refused for another reason, or an honest one is refused.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1]))

from quality.results import markdown
from sabotaged.searching import Searching, halved, honest_search, shuffled, slow
from sabotaged.talking import Talking, honest_talk, inventing

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.evaluation.gate import Decision, Verdict
from storage.plain_files import write_plain_files

NONE = "none"
SEARCHING: dict[str, tuple[Callable[[Searching, int], Verdict], str]] = {
    "slow": (slow, "too slow"),
    "halved": (halved, "documents are missing"),
    "shuffled": (shuffled, "no proven gain|fell|forgotten"),
}
TALKING: dict[str, tuple[Callable[[Talking, int], Verdict], str]] = {"inventing": (inventing, "makes up more")}
"""Each sabotage, and what the reason to refuse it is to say."""


class Row(NamedTuple):
    """A candidate, what was done to it, and what the gate said."""

    sabotage: str
    seed: int
    verdict: Verdict
    right: bool
    """Whether that is what it was to say."""


def main() -> None:
    """Sabotage, and print what the gate says."""
    options = arguments()
    rows = []
    with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as folder:
        for found in rows_of(Path(folder).absolute(), options.kinds.split(","), options.runs):
            rows.append(found)
            said = f"{found.sabotage} {found.seed}: {found.verdict.decision}: {found.verdict.reason}"
            print(said, file=sys.stderr, flush=True)
    print(table(rows))
    sys.exit(not all(each.right for each in rows))


def rows_of(folder: Path, kinds: list[str], runs: int) -> Iterator[Row]:
    """Yield what the gate says, of the honest candidates last: once one serves, there is nothing left to better."""
    if wanted := [kind for kind in SEARCHING if kind in kinds]:
        company = Searching.open(folder / "searching")
        for kind in wanted:
            sabotage, reason = SEARCHING[kind]
            for seed in range(1, runs + 1):
                verdict = kept(folder / f"{kind}-{seed}.json", partial(sabotage, company, seed))
                yield row(kind, seed, verdict, reason)
        yield row(NONE, 0, kept(folder / "honest-search.json", partial(honest_search, company)), "rose")
    if wanted := [kind for kind in TALKING if kind in kinds]:
        talk = Talking.open(folder / "talking")
        for kind in wanted:
            invention, reason = TALKING[kind]
            for seed in range(1, runs + 1):
                verdict = kept(folder / f"{kind}-{seed}.json", partial(invention, talk, seed))
                yield row(kind, seed, verdict, reason)
        yield row(NONE, 0, kept(folder / "honest-talk.json", partial(honest_talk, talk)), "rose")


def kept(file: Path, judged: Callable[[], Verdict]) -> Verdict:
    """Return the verdict that a run which was killed had kept in a file, or judge and keep it."""
    if not file.exists():
        write_plain_files(file.parent, {file.name: [judged().model_dump_json()]})
    return Verdict.model_validate_json(file.read_bytes())


def row(sabotage: str, seed: int, verdict: Verdict, reason: str) -> Row:
    """Return a row; only without sabotage is it right to promote."""
    wanted = Decision.PROMOTE if sabotage == NONE else Decision.KEEP
    return Row(sabotage, seed, verdict, verdict.decision is wanted and bool(re.search(reason, verdict.reason)))


def table(rows: list[Row]) -> str:
    """Return the verdicts, and how many are as they should be."""
    cells = [
        [
            each.sabotage,
            str(each.seed or ""),
            each.verdict.decision.value,
            each.verdict.reason,
            "yes" if each.right else "NO",
        ]
        for each in rows
    ]
    sabotaged = [each for each in rows if each.sabotage != NONE]
    promoted = sum(each.verdict.decision is Decision.PROMOTE for each in sabotaged)
    right = sum(each.right for each in sabotaged)
    count = f"{promoted} of {len(sabotaged)} sabotaged candidates promoted, {right} refused for the right reason"
    return f"{markdown(['sabotage', 'seed', 'verdict', 'reason', 'as it should'], cells)}\n\n{count}"


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each kind, a seed each")
    parser.add_argument("--kinds", default=",".join([*SEARCHING, *TALKING]), help="some of these")
    parser.add_argument("--home", type=Path, help="kept; a run that was killed goes on there")
    options = parser.parse_args()
    if options.runs < 1:
        parser.error(f"--runs {options.runs} sabotages nothing: give 1 or more")
    if unknown := [kind for kind in options.kinds.split(",") if kind not in {**SEARCHING, **TALKING}]:
        parser.error(f"no sabotage {unknown[0]!r}: choose of {', '.join([*SEARCHING, *TALKING])}")
    return options


if __name__ == "__main__":
    main()
