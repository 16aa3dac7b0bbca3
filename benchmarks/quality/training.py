"""Trainings, ours and the plain recipe, each in a process of its own, so that its memory is its own."""

import json
import multiprocessing
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from rag.config import Config
from rag.pairs.pair import Origin, QueryPair
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, Draft

from .clock import Clock, Snapshot
from .home import open_home
from .results import PLAIN, WITHOUT_LABELS, Cost

_COSTS, _SNAPSHOTS = "costs", "snapshots"


class Training(NamedTuple):
    """What is trained, and by whom."""

    recipe: str
    split: str
    collection: str
    base: ArtifactRef
    corpus: ArtifactRef
    pairs: ArtifactRef
    plain_epochs: int = 1


class Trained(NamedTuple):
    """A trained embedder, what it took, and its snapshots in order."""

    embedder: ArtifactRef
    cost: Cost
    snapshots: list[Snapshot]


def train(folder: Path, training: Training, config: Config) -> Trained:
    """Train in a new process; a training whose result lies in the home is not done again."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(_train, folder, training, config).result()


def _train(folder: Path, training: Training, config: Config) -> Trained:
    space = open_home(folder, labelled=training.recipe != WITHOUT_LABELS)
    scratch = folder / _SNAPSHOTS / f"{training.split}-{training.recipe.replace(' ', '-')}-unfinished"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    clock = Clock(scratch)
    clock.watch()
    began = time.monotonic()
    embedder = _plain(space, training) if training.recipe == PLAIN else _ours(space, training, config, clock)
    wall_s = time.monotonic() - began
    noted = folder / _COSTS / f"{embedder.digest}.json"
    snapshots = folder / _SNAPSHOTS / embedder.digest
    if clock.steps:
        shutil.rmtree(snapshots, ignore_errors=True)
        scratch.rename(snapshots)
        noted.parent.mkdir(exist_ok=True)
        cost = Cost(
            recipe=training.recipe,
            split=training.split,
            pairs=len(_learned_from(space, training)),
            steps=clock.steps,
            step_s=clock.seconds,
            wall_s=wall_s,
            peak_mb=_peak_mb(),
            peak_card_mb=_peak_card_mb(),
        )
        kept = [(snapshot.seconds, snapshot.folder.name) for snapshot in clock.snapshots]
        noted.write_text(json.dumps({"cost": cost.model_dump(), "snapshots": kept}), encoding="utf-8")
    found = json.loads(noted.read_bytes())
    kept = [Snapshot(seconds, snapshots / name) for seconds, name in found["snapshots"]]
    return Trained(embedder, Cost.model_validate(found["cost"]), kept)


def _ours(space: Workspace, training: Training, config: Config, clock: Clock) -> ArtifactRef:
    """Do what the flow that trains the embedder does; mining counts as training."""
    from rag.embedding.artifact import finetuned_embedder
    from rag.pairs.mining import negatives_artifact

    embedder, trained = training.base, None
    for _ in range(config.negatives.rounds):
        clock.go_on()
        negatives = negatives_artifact(space, training.collection, training.pairs, trained, config)
        clock.stop()
        embedder = trained = finetuned_embedder(
            space.artifacts, embedder, training.pairs, config.embedding, space.device, negatives=negatives
        )
    return embedder


def _plain(space: Workspace, training: Training) -> ArtifactRef:
    """Return what sentence-transformers' own trainer makes of the questions and their chunks, as its quickstart does.

    It learns from our validation questions as well, since it has no use for any.
    """
    import sentence_transformers

    from rag.corpus.artifact import load_chunks

    chunks = load_chunks(space.artifacts, training.corpus)
    examples = [(pair.anchor, _chunk_of(pair, chunks)) for pair in _learned_from(space, training)]

    def write(draft: Draft) -> dict[str, Any]:
        with space.device.held("training the plain recipe"):
            _train_plainly(space.artifacts.path(training.base), examples, training.plain_epochs, draft)
        return {"base": "plain", "query_prompt": ""}

    return space.artifacts.build(
        "embedder",
        inputs={"base": training.base.digest, "pairs": training.pairs.digest, "corpus": training.corpus.digest},
        config={"epochs": training.plain_epochs, "sentence_transformers": sentence_transformers.__version__},
        recipe=[],
        write=write,
    )


def _train_plainly(base: Path, examples: list[tuple[str, str]], epochs: int, draft: Draft) -> None:
    import torch
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers
    from transformers import PrinterCallback

    from rag.training.reporting import keep_others_quiet

    keep_others_quiet()
    model: Any = SentenceTransformer(str(base), device="cuda" if torch.cuda.is_available() else "cpu")
    model.model_card_data.widget = [{}]
    anchors, positives = zip(*examples, strict=True)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(draft.scratch),
        num_train_epochs=epochs,
        per_device_train_batch_size=16,
        learning_rate=2e-5,
        warmup_steps=0.1,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        use_cpu=not torch.cuda.is_available(),
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    trainer = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict({"anchor": list(anchors), "positive": list(positives)}),
        loss=MultipleNegativesRankingLoss(model),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.save_pretrained(str(draft.path), create_model_card=False)


def _learned_from(space: Workspace, training: Training) -> list[QueryPair]:
    """Return the pairs that a recipe learns from: ours, the training pairs; the plain one, every real question."""
    from rag.pairs.artifact import load_pairs

    pairs = load_pairs(space.artifacts, training.pairs)
    if training.recipe == PLAIN:
        return [pair for pair in [*pairs.train, *pairs.validation] if pair.origin is Origin.REAL]
    return pairs.train


def _chunk_of(pair: QueryPair, chunks: list[Any]) -> str:
    """Return the text of the chunk that holds the most of the answer."""
    own = [chunk for chunk in chunks if chunk.doc_id == pair.doc_id]
    best = max(own, key=lambda c: min(c.char_end, pair.answer_end) - max(c.char_start, pair.answer_start))
    return str(best.text)


def _peak_mb() -> int:
    """Return this process's own peak; what getrusage says begins with its parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _peak_card_mb() -> int:
    import torch

    with suppress(RuntimeError):
        return int(torch.cuda.max_memory_allocated() // 2**20)
    return 0
