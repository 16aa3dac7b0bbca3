"""Whether an answer's first citation meets the span that answers, and how long a whole answer takes without a model.

    python benchmarks/citations.py [--part dev|train] [--depth 30] [--quick] [--home FOLDER]

The extractive generator over covidqa, with the untuned encoder and late interaction, beside two naive ways to cite.
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from quality.asking import answering
from quality.data import Question, covidqa, covidqa_splits, data_root
from quality.home import open_home, release
from tqdm import tqdm

import rag  # noqa: F401  sets the switches before anything heavy is imported
from rag.answering.answer import Answer
from rag.answering.answer import Question as Asked
from rag.answering.engine import Engine
from rag.answering.engines import Engines
from rag.answering.spans import Origins, sentences
from rag.config import Config, GeneratorKind
from rag.corpus.document import Chunk
from rag.profiles import Profile, load_config
from rag.workspace import Workspace

Cited = tuple[str, int, int]
"""A document and the span of it that is cited first."""
Way = Callable[[Question, Answer], Cited | None]


def main() -> None:
    """Ask, and print the table."""
    options = arguments()
    root = data_root()
    data = covidqa(root, options.quick)
    dev = covidqa_splits(root, data)["A"]
    questions = [q for q in data.questions if (q.document in dev) == (options.part == "dev")]
    with nullcontext(options.home) if options.home else tempfile.TemporaryDirectory() as folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        space, config = open_home(Path(folder).absolute()), untaught_config()
        release(space, data, config, options.depth)
        report(space, config, Engines(space, config).of(data.name), questions)


def untaught_config() -> Config:
    """Return the default config with the generator that needs no model, and no cache to flatter it."""
    config = load_config(Profile.CPU)
    alone = {"generators": (GeneratorKind.EXTRACTIVE,), "cache_entries": 0}
    return config.model_copy(update={"answering": config.answering.model_copy(update=alone)})


def report(space: Workspace, config: Config, engine: Engine, questions: list[Question]) -> None:
    """Ask every question and print what each way to cite meets."""
    engine.ask(Asked(text="What does this collection hold?"))  # warms up
    chunks = engine.retriever.index.chunks
    asked: list[tuple[Question, Answer, bool]] = []
    for question in tqdm(questions, desc="asking", disable=None):
        answer = engine.ask(Asked(text=question.text))
        held = {chunks[i].chunk_id for i in answering(question, chunks)}
        asked.append((question, answer, any(hit.chunk.chunk_id in held for hit in answer.hits)))

    naive = Naive(engine, Origins(space.artifacts, space.database, config.chunking))
    retrieved = [one for one in asked if one[2]]
    shares = {}
    for name, way in (("ragloop", first_citation), ("nearest sentence", naive.nearest), ("lead", naive.lead)):
        shares[name] = float(np.mean([meets(question, way(question, answer)) for question, answer, _ in retrieved]))
    quoted = [len(c.quote) for _, answer, _ in asked for c in answer.citations[:1]]
    ms = np.array([answer.timings["total"] for _, answer, _ in asked]) * 1000
    print(f"{len(asked)} questions, the chunk that answers retrieved in {len(retrieved)}; ", end="")
    print(f"{sum(not answer.found for _, answer, _ in asked)} taken as not in the documents")
    print(f"{'first citation':18} {'meets the span':>14} {'ragloop over it':>16}")
    for name, share in shares.items():
        print(f"{name:18} {share:14.3f} {shares['ragloop'] / max(share, 1e-9):16.2f}")
    print(f"first quote: {np.median(quoted):.0f} characters (median)")
    print(f"whole answer: p50 {np.percentile(ms, 50):.0f} ms, p95 {np.percentile(ms, 95):.0f} ms; ", end="")
    steps = ("retrieval", "first_piece", "generation")
    print(", ".join(f"{s} {1000 * np.median([a.timings.get(s, 0) for _, a, _ in asked]):.0f}" for s in steps))


def first_citation(question: Question, answer: Answer) -> Cited | None:
    """Return what ragloop cites first."""
    return next(((c.document, c.char_start, c.char_end) for c in answer.citations), None)


class Naive:
    """Ways to cite that need no thought: both take the chunk that ranks first."""

    def __init__(self, engine: Engine, origins: Origins) -> None:
        self._encoder, self._origins = engine.retriever.encoder, origins

    def lead(self, question: Question, answer: Answer) -> Cited | None:
        """Return the first sentence."""
        return self._cited(answer.hits[0].chunk, 0)

    def nearest(self, question: Question, answer: Answer) -> Cited | None:
        """Return the sentence whose vector is nearest the question's."""
        chunk = answer.hits[0].chunk
        vectors = self._encoder.encode_queries([sentence.text for sentence in sentences(chunk.text)])
        return self._cited(chunk, int((vectors @ self._encoder.encode_queries([question.text])[0]).argmax()))

    def _cited(self, chunk: Chunk, place: int) -> Cited:
        sentence = sentences(chunk.text)[place]
        (start, end), _ = self._origins.find(chunk, (sentence.start, sentence.end))
        return chunk.document, start, end


def meets(question: Question, cited: Cited | None) -> bool:
    """Say whether a cited span overlaps one that answers."""
    if cited is None or cited[0] != question.document:
        return False
    return any(cited[1] < end and start < cited[2] for start, end in question.spans)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["dev", "train"], default="dev", help="of covidqa's questions")
    parser.add_argument("--depth", type=int, default=30, help="chunks that are re-ranked; 0 for none")
    parser.add_argument("--quick", action="store_true", help="a few short documents, to see that it works")
    parser.add_argument("--home", type=Path, help="kept, and used again by the next run; a temporary one unless given")
    return parser.parse_args()


if __name__ == "__main__":
    main()
