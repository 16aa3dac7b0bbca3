"""Rerankers in the artifact store: the token vectors of an index, or a cross-encoder; and the depth that fits here."""

from typing import TYPE_CHECKING, Any

from rag.config import Config, RerankingConfig
from rag.device import Device
from rag.embedding.artifact import load_encoder
from rag.errors import DimensionMismatch
from rag.pairs.artifact import load_pairs
from rag.pairs.mined import LEARNED_FROM, learned_from, with_negatives
from rag.reranking.base import base_cross_encoder, fetch_cross_encoder
from rag.reranking.model_card import RECIPE, model_card
from rag.retrieval.artifact import encoded_shards, load_index
from rag.training.held import held_for_training
from rag.training.progress import OnProgress
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.embedding.encoder import Encoder
    from rag.reranking.reranker import Reranker
    from rag.reranking.token_vectors import ChunkTokens
    from rag.retrieval.index import Index

KIND = "reranker"
LATE_INTERACTION, CROSS_ENCODER = "late-interaction", "cross-encoder"
_VECTORS, _FREQUENCIES = "token_vectors.encrypted", "token_frequencies.encrypted"
_TIMED = 40
"""Questions that a depth is timed with."""
_SAMPLED = 300
"""Chunks whose tokens are counted where the vectors of all are too many."""


def late_interaction(
    store: ArtifactStore, device: Device, index: ArtifactRef, embedder: ArtifactRef, config: Config
) -> ArtifactRef:
    """Return late interaction over an index, with the embedder that built it.

    The token vectors of a collection that is not too large are stored, assembled from its shards; of a larger one only
    how frequent tokens are.
    """

    def write(draft: Draft) -> dict[str, Any]:
        from rag.reranking.token_vectors import ChunkTokens, stored_dims
        from rag.retrieval.shards import load_shard_tokens, plan_shards

        chunks = load_index(store, index).chunks
        n_chunks, dims = len(chunks), stored_dims(sum(chunk.n_tokens for chunk in chunks), config.reranking)
        if dims is None:
            chunks = chunks[:: max(1, len(chunks) // _SAMPLED)]
        spans = plan_shards(chunks)
        shards = encoded_shards(store, device, index, chunks, spans, embedder, config, with_tokens=True)
        tokens = ChunkTokens.concatenate([load_shard_tokens(store, shard.tokens) for shard in shards if shard.tokens])
        frequencies = tokens.frequencies()
        draft.seal(_FREQUENCIES, frequencies.to_bytes())
        facts = {"method": LATE_INTERACTION, "stored": dims is not None, "chunks": n_chunks}
        if dims is None:
            return facts
        tokens = tokens.without_common(frequencies, config.reranking.max_token_share).projected(dims)
        draft.seal(_VECTORS, tokens.to_bytes())
        return {**facts, "tokens": len(tokens.ids), "dims": tokens.codes.shape[1], "bytes": tokens.n_bytes}

    sizes = {"max_whole_tokens", "max_stored_tokens", "projected_dims", "max_token_share"}
    return store.build(
        KIND,
        inputs={"index": index.digest, "embedder": embedder.digest},
        config=config.reranking.model_dump(include=sizes),
        recipe=["rag.reranking.token_vectors", "rag.reranking.frequencies", "rag.embedding.encoder"],
        write=write,
        reads=[index],
    )


def base_reranker(store: ArtifactStore, source: str, config: RerankingConfig) -> ArtifactRef:
    """Return the untuned cross-encoder.

    :raises ConfigError: if it cannot be had from the model source, or is no cross-encoder.
    """
    base = base_cross_encoder(config.base, source)

    def write(draft: Draft) -> dict[str, Any]:
        fetch_cross_encoder(base, draft.path)
        return {"method": CROSS_ENCODER, "base": base.name, "max_seq_length": config.max_seq_length}

    return store.build(
        KIND,
        inputs={},
        config={**base.model_dump(exclude={"source"}), "max_seq_length": config.max_seq_length},
        recipe=["rag.reranking.base"],
        write=write,
    )


def finetuned_reranker(
    store: ArtifactStore,
    base: ArtifactRef,
    pairs: ArtifactRef,
    negatives: ArtifactRef,
    config: RerankingConfig,
    device: Device,
    on_progress: OnProgress | None = None,
) -> ArtifactRef:
    """Return `base` fine-tuned on the training pairs with their mined negatives.

    A killed run goes on from its checkpoint; only a run that has to train waits for the device.
    """
    inputs = {
        "base": base.digest,
        "training_set": store.facts(pairs)["training_set"],
        "negatives": negatives.digest,
    }

    def write(draft: Draft) -> dict[str, Any]:
        from rag.reranking.finetune import finetune

        split, folder, facts = load_pairs(store, pairs), store.path(base), store.facts(base)
        with held_for_training(device, "fine-tuning the reranker", draft) as held:
            trained = finetune(
                base=folder,
                train=with_negatives(store, split.train, negatives),
                validation=split.tuning,
                output=draft.path,
                checkpoints=draft.scratch,
                config=config,
                on_progress=on_progress,
                fitting=store.scratch("fitting") / "batch_sizes.json",
            )
        card = model_card(facts["base"], inputs, trained, config)
        (draft.path / "README.md").write_text(card, encoding="utf-8")
        return {**facts, "training": trained | held, LEARNED_FROM: learned_from(store, split, negatives)}

    return store.build(
        KIND,
        inputs=inputs,
        config=config.model_dump(include=RECIPE),
        recipe=["rag.reranking.finetune", "rag.training.trainer", "rag.reranking.model_card"],
        write=write,
    )


def load_reranker(store: ArtifactStore, ref: ArtifactRef, index: "Index", encoder: "Encoder") -> "Reranker":
    """Open a reranker for the chunks of an index; each sealed file is authenticated before it is parsed.

    :raises DimensionMismatch: if its token vectors are those of another index.
    """
    from rag.reranking.reranker import NearestWindows

    facts, nearest = store.facts(ref), NearestWindows(index, encoder)
    if facts["method"] == CROSS_ENCODER:
        from rag.reranking.cross_encoder import CrossEncoder, CrossEncoderReranker

        return CrossEncoderReranker(CrossEncoder(store.path(ref), facts["max_seq_length"]), nearest)

    from rag.reranking.frequencies import TokenFrequencies
    from rag.reranking.late_interaction import EncodedWindows, LateInteraction, StoredTokens

    if facts["chunks"] != len(index.chunks):
        raise DimensionMismatch(
            f"the reranker was built for {facts['chunks']} chunks, the index has {len(index.chunks)}: build it for "
            "this index with `ragloop retrain`"
        )
    frequencies = TokenFrequencies.from_bytes(store.unseal(ref, _FREQUENCIES))
    matches = StoredTokens(_load_tokens(store, ref)) if facts["stored"] else EncodedWindows(nearest, encoder)
    return LateInteraction(encoder, matches, frequencies)


def reranking_depth(
    store: ArtifactStore,
    reranker: ArtifactRef,
    index: ArtifactRef,
    embedder: ArtifactRef,
    pairs: ArtifactRef,
    whole: Config,
) -> int:
    """Return how many chunks the reranker may re-score within the budget; timed once, then read from the facts."""
    config = whole.reranking

    def write(draft: Draft) -> dict[str, Any]:
        from rag.reranking.depth import choose_depth

        opened, split = load_index(store, index), load_pairs(store, pairs)
        encoder = load_encoder(store, embedder, whole.encoding)
        texts = [pair.anchor for pair in (split.tuning or split.train)[:_TIMED]]
        n_windows = max(config.depths) * opened.windows_per_chunk
        questions = [
            (text, opened.vectors.nearest_chunks(vector, n_windows))
            for text, vector in zip(texts, encoder.encode_queries(texts), strict=True)
        ]
        opened_reranker = load_reranker(store, reranker, opened, encoder)
        return choose_depth(opened_reranker, questions, config.depths, config.budget_ms).model_dump(mode="json")

    chosen = store.build(
        "reranking_depth",
        inputs={
            "reranker": reranker.digest,
            "index": index.digest,
            "embedder": embedder.digest,
            "training_set": store.facts(pairs)["training_set"],
        },
        config=config.model_dump(mode="json", include={"depths", "budget_ms"}),
        recipe=["rag.reranking.depth"],
        write=write,
    )
    return int(store.facts(chosen)["depth"])


def _load_tokens(store: ArtifactStore, ref: ArtifactRef) -> "ChunkTokens":
    from rag.reranking.token_vectors import ChunkTokens

    return ChunkTokens.from_bytes(store.unseal(ref, _VECTORS))
