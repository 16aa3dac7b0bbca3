"""Hard negatives in the artifact store: mined with what serves, or with an embedder fresh from training."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rag.config import Config, PairsConfig, RetrievalConfig
from rag.corpus.artifact import MADE_OF, load_chunks
from rag.embedding.artifact import base_embedder, load_encoder
from rag.feedback.quarantine import sifted_uses
from rag.feedback.skipped import feedback_negatives
from rag.pairs.artifact import load_pairs
from rag.pairs.mined import LEARNED_FROM, NEGATIVES, PASSAGES
from rag.pairs.pair import QueryPair, Split
from rag.pairs.splitting import load_split
from rag.retrieval.artifact import INDEX, INDEXING, RANKING, encoded_index, index_artifact, index_plan, load_index
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.pairs.negatives import Miner

logger = logging.getLogger(__name__)

_MINING = ("rag.pairs.negatives", "rag.pairs.false_negatives", "rag.pairs.personal_data")


class _Models(NamedTuple):
    """What searches."""

    embedder: ArtifactRef
    retrieval: RetrievalConfig
    reranker: str
    """Method of what has a say in the ranking, or the digest of one with weights of its own; empty for none."""


class _Source(NamedTuple):
    """The training documents, and what searches them."""

    corpus: ArtifactRef
    split: ArtifactRef
    embedder: ArtifactRef
    retrieval: RetrievalConfig
    reranker: str
    trained: bool
    """Whether the embedder comes from training and has no index yet."""

    def documents(self, store: ArtifactStore) -> frozenset[str]:
        return frozenset(name for name, (_, split) in load_split(store, self.split).items() if split is Split.TRAIN)

    def document_ids(self, store: ArtifactStore) -> frozenset[str]:
        names = self.documents(store)
        return frozenset(chunk.doc_id for chunk in load_chunks(store, self.corpus) if chunk.document in names)


def negatives_artifact(
    space: Workspace, collection: str, pairs: ArtifactRef, embedder: ArtifactRef | None, config: Config
) -> ArtifactRef | None:
    """Return passages for the training pairs that look right and are wrong, or None if the config wants none.

    They are mined in the documents that are trained on, with the models that serve the collection over the documents
    that `pairs` was made from; with `embedder`, which a round of training has just made, over an index of its own. If
    what serves has learned these very pairs, they are mined with what served before.
    """
    if not config.negatives.per_pair:
        return None
    store = space.artifacts
    source = _source(space, collection, pairs, embedder, config)
    train = load_pairs(store, pairs).train
    skipped = _skipped(space, collection, source.corpus, train, config.pairs)

    def write(draft: Draft) -> dict[str, Any]:
        from rag.pairs.negatives import DROPS, FROM_FEEDBACK, MINED, WITHOUT_EVIDENCE

        miner = _miner(space, source, config)
        with space.device.held_for_card("mining negatives"):
            passages, counts = miner.mine(train, skipped)
        if config.pairs.mask_personal_data:
            passages = _masked(train, passages, config.pairs)
        draft.seal(PASSAGES, json.dumps(passages).encode())
        by_kind = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(counts.items()))
        logger.info("mined negatives for %d of %d training pairs: %s", len(passages), len(train), by_kind)
        return {
            "pairs": len(train),
            "pairs_with_negatives": len(passages),
            **{what: counts[what] for what in (MINED, FROM_FEEDBACK, WITHOUT_EVIDENCE)},
            "dropped": {what: counts[what] for what in DROPS},
            MADE_OF: [source.corpus.digest],
            LEARNED_FROM: sorted(source.document_ids(store)),
        }

    return store.build(
        NEGATIVES,
        inputs={
            "training_set": store.facts(pairs)["training_set"],
            "split": source.split.digest,
            "index": store.digest(INDEX, **index_plan(source.corpus, source.embedder, config)),
            "embedder": source.embedder.digest,
            "reranker": source.reranker,
            "feedback": hashlib.sha256(json.dumps(skipped, sort_keys=True).encode()).hexdigest(),
        },
        config={
            "negatives": config.negatives.model_dump(mode="json", exclude={"rounds"}),
            "retrieval": source.retrieval.model_dump(mode="json"),
            "documents": "training" if source.trained else "all",
            "masking": config.pairs.model_dump(mode="json", include={"mask_personal_data", "phone_regions"}),
        },
        recipe=[*_MINING, *RANKING, *INDEXING, "rag.embedding.encoder"],
        write=write,
        reads=[source.corpus],
    )


def _source(
    space: Workspace, collection: str, pairs: ArtifactRef, embedder: ArtifactRef | None, config: Config
) -> _Source:
    made_from = space.artifacts.manifest(pairs).inputs
    corpus, split = ArtifactRef.of("corpus", made_from["corpus"]), ArtifactRef.of("split", made_from["split"])
    if embedder is not None:
        # What serves changes with a promotion; an embedder fresh from training is asked by the plain mix.
        return _Source(corpus, split, embedder, config.retrieval, reranker="", trained=True)
    serving = _serving(space, collection, config)
    miner = _first_miner(space.artifacts, serving.embedder, space.artifacts.facts(pairs)["training_set"]) or serving
    return _Source(corpus, split, miner.embedder, miner.retrieval, miner.reranker, trained=False)


def _serving(space: Workspace, collection: str, config: Config) -> _Models:
    release = space.registry.production(collection)
    if release is None:
        return _Models(base_embedder(space.artifacts, space.settings.models), config.retrieval, reranker="")
    retrieval, reranker = RetrievalConfig.model_validate(release.answering), ""
    if release.reranker is not None and retrieval.rerank_weight > 0:
        # Late interaction is named by its method: its vectors move with every ingest, and a resumed run must not.
        method = space.artifacts.facts(release.reranker)["method"]
        reranker = method if method == "late-interaction" else release.reranker.digest
    return _Models(release.embedder, retrieval, reranker)


def _first_miner(store: ArtifactStore, embedder: ArtifactRef, training_set: str) -> _Models | None:
    """Return what mined for the training that made an embedder, if it was on this training set; None if not.

    So a retraining after a promotion, with nothing else new, comes to what serves already, not to one more candidate.
    """
    made, negatives = store.manifest(embedder).inputs, None
    while made.get("training_set") == training_set and "negatives" in made:
        negatives = ArtifactRef.of(NEGATIVES, made["negatives"])
        made = store.manifest(ArtifactRef.of(embedder.kind, made["base"])).inputs
    if negatives is None:
        return None
    if store.find(negatives.kind, negatives.digest) is None:
        return None  # they went with a document that was deleted
    mined = store.manifest(negatives)
    return _Models(
        ArtifactRef.of(embedder.kind, mined.inputs["embedder"]),
        RetrievalConfig.model_validate(mined.config["retrieval"]),
        mined.inputs["reranker"],
    )


def _skipped(
    space: Workspace, collection: str, corpus: ArtifactRef, train: Sequence[QueryPair], config: PairsConfig
) -> dict[str, tuple[str, ...]]:
    from rag.pairs.negatives import evidence_chunks

    answered_by = evidence_chunks(train, load_chunks(space.artifacts, corpus))
    return feedback_negatives(sifted_uses(space.database, collection, config).uses, answered_by)


def _masked(
    train: Sequence[QueryPair], passages: Mapping[str, tuple[str, ...]], config: PairsConfig
) -> dict[str, tuple[str, ...]]:
    """Return the negatives without personal data, as the pairs are that they join."""
    from rag.pairs.personal_data import PersonalData

    mined = [pair.model_copy(update={"negatives": passages[pair.id]}) for pair in train if pair.id in passages]
    return {pair.id: pair.negatives for pair in PersonalData(config.phone_regions).masked_pairs(mined, Counter())}


def _miner(space: Workspace, source: _Source, config: Config) -> "Miner":
    from rag.pairs.negatives import Miner

    store, rescore = space.artifacts, None
    encoder = load_encoder(store, source.embedder, config.encoding, config.index.encode_batch)
    if source.trained:
        documents = source.documents(store)
        chunks = [chunk for chunk in load_chunks(store, source.corpus) if chunk.document in documents]
        index = encoded_index(store, space.device, source.corpus, chunks, source.embedder, config)
    else:
        ref = index_artifact(store, space.device, source.corpus, source.embedder, config)
        index = load_index(store, ref)
        if source.reranker:
            from rag.reranking.artifact import late_interaction, load_reranker

            reranker = (
                late_interaction(store, space.device, ref, source.embedder, config)
                if source.reranker == "late-interaction"
                else ArtifactRef.of("reranker", source.reranker)
            )
            rescore = load_reranker(store, reranker, index, encoder).scores
    return Miner(index, encoder, source.retrieval, source.documents(store), config.negatives, rescore)
