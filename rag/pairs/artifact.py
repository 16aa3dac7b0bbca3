"""Synthetic questions and assembled pairs in the artifact store."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter

from rag.config import Config, PairsConfig, Writer
from rag.corpus.artifact import corpus_artifact, load_chunks, load_texts
from rag.corpus.deleted import collection_deleted_ids
from rag.errors import EmptyCorpus
from rag.llm.access import LanguageModels
from rag.pairs.assembly import SplitPairs, assemble, counted, mixed
from rag.pairs.collection import real_questions
from rag.pairs.dropped import DroppedPair, DropReason
from rag.pairs.feedback_pairs import feedback_questions
from rag.pairs.filters import assert_no_leak
from rag.pairs.pair import QueryPair, Split
from rag.pairs.splitting import load_split, split_artifact
from rag.pairs.style import style_examples
from rag.pairs.writer import SyntheticQuestion
from rag.pairs.writing import opened_writer
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.database import Database
from storage.errors import ArtifactMissing
from storage.recipes import digest_json
from storage.tables import QueryPairRow

_WRITER_PARTS = tuple(
    f"rag.pairs.{part}"
    for part in "sentences clauses verbs vocabulary question_forms loose_forms comparisons paraphrases".split()
)
_EXTRACTIVE = ("rag.pairs.writer", *_WRITER_PARTS)
_WITH_MODEL = tuple(
    f"rag.pairs.{part}"
    for part in (
        "llm_writer llm_prompts assignments quotations relatedness folding sentences vocabulary words groundedness"
    ).split()
)
_QUESTIONS, _DROPPED = "questions.encrypted", "dropped.encrypted"
_ROUND_TRIP = ("rag.retrieval.lexical", "rag.evaluation.metrics")
_SYNTHETIC = TypeAdapter(list[SyntheticQuestion])


@dataclass(frozen=True)
class PairInputs:
    """What pairs are made of, by reference."""

    corpus: ArtifactRef
    split: ArtifactRef
    synthetic: ArtifactRef


def synthetic_artifact(
    store: ArtifactStore,
    database: Database,
    collection: str,
    corpus: ArtifactRef,
    split: ArtifactRef,
    config: Config,
    models: LanguageModels | None = None,
) -> ArtifactRef:
    """Return the questions written from the chunks, of each split apart so that none spans two.

    A language model is asked only if the config says so, and only for what its ledger does not hold.

    :raises ConfigError: if a language model is to write and there is none.
    :raises LanguageModelUnavailable: if it stops answering; a second run goes on from there.
    """
    chosen = config.synthesis
    splits = load_split(store, split)
    style: list[str] = []
    if chosen.writer is not Writer.EXTRACTIVE:
        style = style_examples(real_questions(database, collection), splits, chosen.style_examples, chosen.seed)

    def write(draft: Draft) -> dict[str, Any]:
        texts = {doc_id: text.text for doc_id, text in load_texts(store, corpus).items()}
        chunks = load_chunks(store, corpus)
        written: list[SyntheticQuestion] = []
        with opened_writer(config, models, style) as writer:
            for part in Split:
                own = [chunk for chunk in chunks if splits[chunk.document][1] is part]
                written += writer.write(own, chosen, texts)
            facts = writer.facts()
        draft.seal(_QUESTIONS, _SYNTHETIC.dump_json(written))
        return {
            "writer": chosen.writer,
            "questions": len(written),
            "by_type": dict(Counter(q.question_type for q in written)),
            "by_form": dict(Counter(q.form for q in written)),
            **facts,
        }

    try:
        return store.build(
            "synthetic",
            inputs={"corpus": corpus.digest, "split": split.digest, **({"style": digest_json(style)} if style else {})},
            config=_writer_config(config),
            recipe=_EXTRACTIVE if chosen.writer is Writer.EXTRACTIVE else _WITH_MODEL,
            write=write,
            reads=[corpus],
        )
    except ArtifactMissing:  # a document was deleted meanwhile: what a model has said of it since goes too
        if models is not None:
            models.ledger.forget(collection_deleted_ids(database, collection))
        raise


def load_synthetic(store: ArtifactStore, ref: ArtifactRef) -> list[SyntheticQuestion]:
    """Open written questions."""
    return _SYNTHETIC.validate_json(store.unseal(ref, _QUESTIONS))


def _writer_config(config: Config) -> dict[str, Any]:
    """Return what of the config the chosen writer reads."""
    if config.synthesis.writer is Writer.EXTRACTIVE:
        return config.synthesis.model_dump(mode="json", include={"questions_per_chunk", "comparative_share", "seed"})
    return {**config.synthesis.model_dump(mode="json"), "min_groundedness": config.pairs.min_groundedness}


def pairs_artifact(
    store: ArtifactStore, database: Database, collection: str, inputs: PairInputs, config: Config
) -> ArtifactRef:
    """Return the collection's pairs, split, filtered and free of leaks. Its facts hold the counts.

    All feedback that the collection holds is in it, not only what is new, so that no retraining forgets.

    :raises LeakFound: if a training pair touches the evaluation set all the same.
    :raises ConfigError: if personal data is to be masked and what finds it is not installed.
    """
    real = real_questions(database, collection)
    splits = load_split(store, inputs.split)
    said = feedback_questions(store, database, collection, splits, config.pairs).training

    def write(draft: Draft) -> dict[str, Any]:
        made = assemble(
            real=[*real, *said],
            synthetic=load_synthetic(store, inputs.synthetic),
            chunks=load_chunks(store, inputs.corpus),
            texts=load_texts(store, inputs.corpus),
            splits=splits,
            config=config,
        )
        draft.seal(_DROPPED, _lines(made.dropped))
        return made.facts | _sealed(draft, made.pairs)

    return store.build(
        "pairs",
        inputs={
            "corpus": inputs.corpus.digest,
            "split": inputs.split.digest,
            "synthetic": inputs.synthetic.digest,
            "questions": places(real),
            "feedback": places(said),
        },
        config=config.pairs,
        recipe=["rag.pairs", "rag.corpus.chunking", "rag.corpus.cleaning", *_ROUND_TRIP],
        write=write,
        reads=[inputs.corpus, inputs.synthetic],
    )


def remixed(store: ArtifactStore, wider: ArtifactRef, config: PairsConfig) -> ArtifactRef:
    """Return pairs with fewer synthetic ones to train on, whatever the collection that they were made from holds now.

    :param wider: made with the same config, but for a higher `synthetic_per_real`.
    """

    def write(draft: Draft) -> dict[str, Any]:
        pairs = load_pairs(store, wider)
        pairs = pairs._replace(train=mixed(pairs.train, config))
        draft.seal(_DROPPED, store.unseal(wider, _DROPPED))
        return store.facts(wider) | _sealed(draft, pairs)

    inputs = store.manifest(wider).inputs | {"wider": wider.digest}
    return store.build("pairs", inputs=inputs, config=config, recipe=["rag.pairs"], write=write, reads=[wider])


def _sealed(draft: Draft, pairs: SplitPairs) -> dict[str, Any]:
    """Seal pairs, and return the facts that count them."""
    for split in Split:
        draft.seal(_file(split), _lines(pairs.of(split)))
    return {**counted(pairs), "training_set": _digest([*pairs.train, *pairs.validation])}


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
    """Open assembled pairs, and look once more that what is learned from and what judges are apart.

    :raises LeakFound: with the ids, if a training or validation pair touches the evaluation set.
    """
    # Bytes, since text has more ends of lines than the one that we write.
    parts = {split: store.unseal(ref, _file(split)).splitlines() for split in Split}
    pairs = SplitPairs(*([QueryPair.model_validate_json(line) for line in parts[split]] for split in Split))
    assert_no_leak([*pairs.train, *pairs.validation], pairs.evaluation)
    return pairs


def load_dropped(store: ArtifactStore, ref: ArtifactRef) -> list[DroppedPair]:
    """Open the pairs that the filters dropped, by filter."""
    return [DroppedPair.model_validate_json(line) for line in store.unseal(ref, _DROPPED).splitlines()]


def places(rows: Sequence[QueryPairRow]) -> str:
    """Return the digest of kept questions, which their ids stand for, and of where their evidence is."""
    lines = "\n".join(f"{row.id}:{row.doc_id}:{row.answer_start}:{row.answer_end}" for row in rows)
    return hashlib.sha256(lines.encode()).hexdigest()


def _lines(rows: Iterable[BaseModel]) -> bytes:
    return "\n".join(row.model_dump_json() for row in rows).encode()


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


def collection_pairs(
    store: ArtifactStore, database: Database, collection: str, config: Config, models: LanguageModels | None = None
) -> CollectionPairs:
    """Return the pairs that a retraining of the collection as it stands would use, made if they are not there.

    :raises ConfigError: if a language model has to write questions first and there is none.
    """
    corpus = corpus_artifact(store, database, collection)
    split = split_artifact(store, database, collection, corpus, config.split, keep=False)
    synthetic = synthetic_artifact(store, database, collection, corpus, split, config, models)
    inputs = PairInputs(corpus, split, synthetic)
    return CollectionPairs(corpus, pairs_artifact(store, database, collection, inputs, config))


def pair_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the counts of a pairs artifact's facts as rows."""
    rows: list[dict[str, Any]] = []
    for split, by_origin in facts["pairs"].items():
        rows += [{"what": f"{split}, {origin}", "pairs": n} for origin, n in by_origin.items()]
    rows += [{"what": f"type {name}", "pairs": n} for name, n in facts["by_type"].items()]
    rows += [{"what": f"dropped: {DropReason(name).label}", "pairs": n} for name, n in facts["dropped"].items()]
    rows.append({"what": "kept: real answers in other words", "pairs": facts["real_answers_in_other_words"]})
    return rows + [{"what": f"masked: {kind}", "pairs": n} for kind, n in facts["masked"].items()]


def writing_rows(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the counts and the bill of a synthetic artifact's facts as rows."""
    rows: list[dict[str, Any]] = [{"what": "writer", "value": facts.get("model") or facts["writer"]}]
    rows.append({"what": "questions", "value": facts["questions"]})
    rows += [{"what": f"type {kind}", "value": n} for kind, n in facts["by_type"].items()]
    rows += [{"what": f"missing of {kind}", "value": n} for kind, n in facts.get("missing", {}).items()]
    rows += [{"what": f"form {form}", "value": n} for form, n in facts["by_form"].items()]
    rows += [{"what": f"refused: {reason}", "value": n} for reason, n in facts.get("refused", {}).items()]
    bill = facts.get("bill", {})
    return rows + [{"what": f"bill: {name.replace('_', ' ')}", "value": value} for name, value in bill.items()]
