"""Synthetic questions and assembled pairs in the artifact store."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from rag.config import Config
from rag.corpus.artifact import corpus_artifact, load_chunks, load_texts
from rag.errors import EmptyCorpus
from rag.pairs.assembly import SplitPairs, assemble
from rag.pairs.collection import real_questions
from rag.pairs.pair import QueryPair, Split
from rag.pairs.splitting import load_split, split_artifact
from rag.pairs.writer import SyntheticQuestion, write_questions
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.database import Database

_WRITER_PARTS = tuple(
    f"rag.pairs.{part}"
    for part in "sentences clauses verbs vocabulary question_forms loose_forms comparisons paraphrases".split()
)
_QUESTIONS = "questions.encrypted"
_SYNTHETIC = TypeAdapter(list[SyntheticQuestion])


@dataclass(frozen=True)
class PairInputs:
    """What pairs are made of, by reference."""

    corpus: ArtifactRef
    split: ArtifactRef
    synthetic: ArtifactRef


def synthetic_artifact(store: ArtifactStore, corpus: ArtifactRef, split: ArtifactRef, config: Config) -> ArtifactRef:
    """Return the questions written from the chunks, of each split apart so that none spans two."""

    def write(draft: Draft) -> dict[str, Any]:
        splits = load_split(store, split)
        texts = {doc_id: text.text for doc_id, text in load_texts(store, corpus).items()}
        chunks = load_chunks(store, corpus)
        written: list[SyntheticQuestion] = []
        for part in Split:
            own = [chunk for chunk in chunks if splits[chunk.document][1] is part]
            written += write_questions(own, config.synthesis, texts)
        draft.seal(_QUESTIONS, _SYNTHETIC.dump_json(written))
        return {"questions": len(written), "by_type": dict(Counter(q.question_type for q in written))}

    return store.build(
        "synthetic",
        inputs={"corpus": corpus.digest, "split": split.digest},
        config=config.synthesis,
        recipe=["rag.pairs.writer", *_WRITER_PARTS],
        write=write,
    )


def pairs_artifact(
    store: ArtifactStore, database: Database, collection: str, inputs: PairInputs, config: Config
) -> ArtifactRef:
    """Return the collection's pairs, split, deduplicated and free of leaks. Its facts hold the counts.

    :raises LeakFound: if a training pair touches the evaluation set all the same.
    """
    real = real_questions(database, collection)
    asked = "\n".join(f"{row.id}:{row.doc_id}:{row.answer_start}:{row.answer_end}" for row in real)

    def write(draft: Draft) -> dict[str, Any]:
        pairs, counts = assemble(
            real=real,
            synthetic=_load_synthetic(store, inputs.synthetic),
            texts=load_texts(store, inputs.corpus),
            splits=load_split(store, inputs.split),
            config=config,
        )
        for split in Split:
            draft.seal(_file(split), "\n".join(p.model_dump_json() for p in pairs.of(split)).encode())
        return {
            **counts,
            "training_set": _digest([*pairs.train, *pairs.validation]),
            "evaluation_set": _digest(pairs.evaluation),
        }

    return store.build(
        "pairs",
        inputs={
            "corpus": inputs.corpus.digest,
            "split": inputs.split.digest,
            "synthetic": inputs.synthetic.digest,
            "questions": hashlib.sha256(asked.encode()).hexdigest(),
        },
        config=config.pairs,
        recipe=["rag.pairs", "rag.corpus.chunking", "rag.corpus.cleaning"],
        write=write,
    )


def require_enough(store: ArtifactStore, pairs: ArtifactRef) -> None:
    """Check that there is something to learn from and to judge by, before anything long is begun.

    :raises EmptyCorpus: if there is not.
    """
    counts = {split: sum(by_origin.values()) for split, by_origin in store.facts(pairs)["pairs"].items()}
    for split, needed in ((Split.TRAIN, 2), (Split.EVALUATION, 1)):
        if counts[split] < needed:
            raise EmptyCorpus(
                f"{counts[split]} questions for {split}, at least {needed} are needed: ingest more documents, or "
                "import questions with `ragloop pairs import FILE.jsonl`"
            )


def load_pairs(store: ArtifactStore, ref: ArtifactRef) -> SplitPairs:
    """Open assembled pairs."""
    parts = {split: store.unseal(ref, _file(split)).decode().splitlines() for split in Split}
    return SplitPairs(*([QueryPair.model_validate_json(line) for line in parts[split]] for split in Split))


def _load_synthetic(store: ArtifactStore, ref: ArtifactRef) -> list[SyntheticQuestion]:
    return _SYNTHETIC.validate_json(store.unseal(ref, _QUESTIONS))


def _file(split: Split) -> str:
    return f"{split}.encrypted"


def _digest(pairs: Sequence[QueryPair]) -> str:
    """Return the digest of what a training or an evaluation reads of the pairs."""
    lines = sorted(p.model_dump_json(exclude={"group"}) for p in pairs)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class CollectionPairs:
    """A corpus and the pairs made from it."""

    corpus: ArtifactRef
    pairs: ArtifactRef


def collection_pairs(store: ArtifactStore, database: Database, collection: str, config: Config) -> CollectionPairs:
    """Return the pairs that a retraining of the collection as it stands would use, made if they are not there."""
    corpus = corpus_artifact(store, database, collection)
    split = split_artifact(store, database, collection, corpus, config.split, keep=False)
    inputs = PairInputs(corpus, split, synthetic_artifact(store, corpus, split, config))
    return CollectionPairs(corpus, pairs_artifact(store, database, collection, inputs, config))


def pair_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the counts of a pairs artifact's facts as rows."""
    rows: list[dict[str, Any]] = []
    for split, by_origin in facts["pairs"].items():
        rows += [{"what": f"{split}, {origin}", "pairs": n} for origin, n in by_origin.items()]
    rows += [{"what": f"type {name}", "pairs": n} for name, n in facts["by_type"].items()]
    return rows + [{"what": f"dropped: {name.replace('_', ' ')}", "pairs": n} for name, n in facts["dropped"].items()]
