"""How much better retrieval gets on a team's documents, beside the plain sentence-transformers recipe in the same run.

    python benchmarks/retrieval.py [--splits A,B,C] [--quick] [--curves OUT.png] [--json OUT.json] [--home FOLDER]
    python benchmarks/retrieval.py --table OUT.json [--curves OUT.png]

Takes covidqa, xquad and chunkeval from RAGLOOP_BENCH_DATA. See benchmarks/README.md for the protocol.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from quality.asking import Exam
from quality.clock import Snapshot
from quality.curves import picture
from quality.data import Dataset, chunkeval, covidqa, covidqa_splits, data_root, xquad
from quality.home import hold_out, import_real, ingest, open_home
from quality.results import OURS, PLAIN, WITHOUT_LABELS, CurvePoint, Results, Run, tables
from quality.systems import Learned, Searched, System, plain_systems, tuned_systems, untuned_systems
from quality.training import Trained, Training, train

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.config import Config
from rag.embedding.artifact import base_embedder
from rag.llm.access import LanguageModels
from rag.pairs.artifact import collection_pairs
from rag.profiles import Profile, detect_profile
from rag.retrieval.learning import prior_retrieval
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, Draft
from storage.manifest import MANIFEST

if TYPE_CHECKING:
    from rag.retrieval.index import Index


class Bench(NamedTuple):
    """The home that is worked in, and what is measured there."""

    folder: Path
    space: Workspace
    bare: Workspace
    """The home in which nobody has asked anything."""
    config: Config
    base: ArtifactRef
    results: Results

    def ask(self, dataset: str, split: str, exam: Exam, systems: Sequence[System]) -> None:
        """Ask each system all questions."""
        for system in systems:
            said(f"{dataset} {split}: asking {system.name}")
            answers = exam.ask(system.open())
            run = Run(dataset=dataset, split=split, system=system.name, parts=system.parts, answers=answers)
            self.results.runs.append(run)


class Tuned(NamedTuple):
    """What was learned on covidqa."""

    searched: Searched
    learned: Learned


def main() -> None:
    """Measure or read what was measured; print the tables."""
    options = arguments()
    if options.table:
        results = Results.model_validate_json(options.table.read_bytes())
    else:
        root = data_root()
        with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as folder:
            results = measure(root, Path(folder).absolute(), options)
    if options.json:
        options.json.write_text(results.model_dump_json(), encoding="utf-8")
    print(tables(results))
    if options.curves:
        options.curves.write_bytes(picture(results.curve, "Quality over training seconds, covidqa"))


def measure(root: Path, folder: Path, options: argparse.Namespace) -> Results:
    """Train and ask on covidqa, then ask on the other two what was learned there."""
    folder.mkdir(parents=True, exist_ok=True)
    bench = open_bench(folder, options.profile)
    data = covidqa(root, options.quick)
    said(f"covidqa: ingesting {len(data.documents)} articles")
    corpus = ingest(bench.space, data, bench.config)
    import_real(bench.space, data)
    ingest(bench.bare, data, bench.config)
    splits = {name: held for name, held in covidqa_splits(root, data).items() if name in options.splits.split(",")}
    if not splits:
        raise SystemExit(f"no split in {options.splits!r}: choose of {', '.join(covidqa_splits(root, data))}")
    tuned = [learn_and_ask(bench, data, corpus, name, held, options) for name, held in splits.items()]
    for other in [xquad(root, options.quick), *chunkeval(root, options.quick)]:
        ask_elsewhere(bench, other, tuned[0])
    return bench.results


def open_bench(folder: Path, profile: str | None) -> Bench:
    """Open both homes. No more articles are held out than those of the split."""
    space, bare = open_home(folder), open_home(folder, labelled=False)
    name = Profile(profile) if profile else detect_profile()
    config = space.settings.stages(name)
    config = config.model_copy(update={"split": config.split.model_copy(update={"evaluation_share": 0.001})})
    base = base_embedder(space.artifacts, space.settings.models)
    return Bench(folder, space, bare, config, base, Results(profile=name))


def learn_and_ask(
    bench: Bench, data: Dataset, corpus: ArtifactRef, split: str, held_out: frozenset[str], options: argparse.Namespace
) -> Tuned:
    """Train all recipes without the held-out articles' questions, and ask those of every system."""
    space, config = bench.space, bench.config
    untuned = Searched.build(space, corpus, bench.base, config)
    pairs, bare_pairs = (prepared(home, data.name, held_out, config) for home in (bench.space, bench.bare))
    trained = {}
    for recipe, own in ((OURS, pairs), (WITHOUT_LABELS, bare_pairs), (PLAIN, pairs)):
        said(f"covidqa {split}: training, {recipe}")
        training = Training(recipe, split, data.name, bench.base, corpus, own, options.plain_epochs)
        trained[recipe] = train(bench.folder, training, config)
        bench.results.costs.append(trained[recipe].cost)

    ours = Searched.build(space, corpus, trained[OURS].embedder, config).reranked(data.name, pairs, config)
    unlabelled = Searched.build(space, corpus, trained[WITHOUT_LABELS].embedder, config)
    learned, index = ours.learned(pairs, config), untuned.index()
    said(f"covidqa {split}: learned {learned.whole}")
    exam = Exam([question for question in data.questions if question.document in held_out], index.chunks)
    systems = [
        *untuned_systems(untuned, config),
        *tuned_systems("tuned", ours, learned, config),
        *tuned_systems("synthetic only", unlabelled, unlabelled.learned(bare_pairs, config), config),
        *plain_systems(space.artifacts.path(trained[PLAIN].embedder), index, config),
    ]
    bench.ask("covidqa", split, exam, systems)
    if options.curves:
        draw_from(bench, split, exam, Course(data.name, corpus, pairs, index), trained)
    return Tuned(ours, learned)


def prepared(home: Workspace, collection: str, held_out: frozenset[str], config: Config) -> ArtifactRef:
    """Return the pairs of a home in which these articles judge."""
    hold_out(home, collection, held_out)
    return collection_pairs(home.artifacts, home.database, collection, config, LanguageModels.of(home)).pairs


def ask_elsewhere(bench: Bench, data: Dataset, tuned: Tuned) -> None:
    """Ask the untuned retriever, and the embedder that learned on covidqa, on documents of another kind.

    They have no questions of their own to learn weights from, so they are searched as such a collection is.
    """
    name, _, part = data.name.partition("-")
    said(f"{data.name}: ingesting {len(data.documents)} documents")
    corpus = ingest(bench.space, data, bench.config)
    untuned = Searched.build(bench.space, corpus, bench.base, bench.config)
    ours = Searched.build(bench.space, corpus, tuned.searched.models.embedder, bench.config)
    ours = ours.reranked_as(tuned.searched, bench.config)
    depth = tuned.learned.whole.rerank_depth
    unasked = Learned(*(prior_retrieval(bench.config.retrieval, deep) for deep in (0, depth)))
    systems = [*untuned_systems(untuned, bench.config), *tuned_systems("tuned", ours, unasked, bench.config)]
    bench.ask(name, part or "all", Exam(data.questions, untuned.index().chunks), systems)


class Course(NamedTuple):
    """What models on their way are asked with."""

    collection: str
    corpus: ArtifactRef
    pairs: ArtifactRef
    index: "Index"


def draw_from(bench: Bench, split: str, exam: Exam, course: Course, trained: dict[str, Trained]) -> None:
    """Ask the models that both recipes had on their way, from the untuned one to the last."""
    for recipe in (OURS, PLAIN):
        for place, (seconds, embedder) in enumerate(on_the_way(bench, trained[recipe])):
            said(f"covidqa {split}: {recipe} after {seconds:.0f} s")
            if recipe == PLAIN:
                systems = plain_systems(bench.space.artifacts.path(embedder), course.index, bench.config)
            else:
                searched = Searched.build(bench.space, course.corpus, embedder, bench.config)
                searched = searched.reranked(course.collection, course.pairs, bench.config)
                systems = tuned_systems(recipe, searched, searched.learned(course.pairs, bench.config), bench.config)
            for system in systems:
                bench.results.curve.append(
                    CurvePoint(
                        recipe=recipe,
                        split=split,
                        place=place,
                        seconds=seconds,
                        row=system.name.partition(", ")[2],
                        answers=exam.ask(system.open()),
                    )
                )


def on_the_way(bench: Bench, trained: Trained) -> list[tuple[float, ArtifactRef]]:
    """Return the seconds and the embedder of each model from the untuned to the trained one, all in the store."""

    def kept(snapshot: Snapshot) -> ArtifactRef:
        def write(draft: Draft) -> dict[str, Any]:
            """Put the weights into the base's folder: its settings serve, not those of training."""
            base = bench.space.artifacts.path(bench.base)
            shutil.copytree(base, draft.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
            for weights in snapshot.folder.rglob("*.safetensors"):
                shutil.copyfile(weights, draft.path / weights.relative_to(snapshot.folder))
            return {"query_prompt": bench.space.artifacts.facts(bench.base)["query_prompt"]}

        inputs = {"trained": trained.embedder.digest, "seconds": f"{snapshot.seconds:.3f}"}
        return bench.space.artifacts.build("embedder", inputs=inputs, config=None, recipe=[], write=write)

    between = [(snapshot.seconds, kept(snapshot)) for snapshot in trained.snapshots]
    return [(0.0, bench.base), *between, (trained.cost.step_s, trained.embedder)]


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", default="A,B,C", help="of covidqa: A is dev.jsonl, B, C and D fold train.jsonl")
    parser.add_argument("--quick", action="store_true", help="a few short documents and steps, to see that it works")
    parser.add_argument("--profile", choices=[p.value for p in Profile], help="fitted to the machine unless given")
    parser.add_argument("--plain-epochs", type=int, default=1, help="of the plain recipe; its quickstart has 1")
    parser.add_argument("--home", type=Path, help="kept, and used again by the next run; a temporary one unless given")
    parser.add_argument("--json", type=Path, help="write what was measured")
    parser.add_argument("--table", type=Path, help="read what --json wrote, instead of measuring")
    parser.add_argument("--curves", type=Path, help="draw quality over training seconds")
    options = parser.parse_args()
    options.profile = options.profile or (Profile.SMOKE if options.quick else None)
    return options


def said(what: str) -> None:
    """Say what comes next, apart from the tables."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
