"""Embedders in the artifact store: the base model, and what was trained from it."""

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from rag.config import EmbeddingConfig, EncodingConfig
from rag.device import Device
from rag.embedding.base import base_model, fetch_base_model
from rag.embedding.model_card import Lineage, model_card
from rag.errors import UnfaithfulEncoder
from rag.pairs.artifact import load_pairs
from rag.pairs.mined import LEARNED_FROM, learned_from, with_negatives
from rag.pairs.pair import Origin
from rag.training.held import held_for_training
from rag.training.progress import OnProgress
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.embedding.columns import Teacher
    from rag.embedding.encoder import Encoder

logger = logging.getLogger(__name__)

KIND = "embedder"
TRAINING_RECIPE = (
    *(
        f"rag.embedding.{part}"
        for part in "finetune columns objective losses adapters validation merging model_card".split()
    ),
    "rag.training.trainer",
    "rag.training.patience",
)


def base_embedder(store: ArtifactStore, source: str) -> ArtifactRef:
    """Return the untuned embedder of a model source, `bundled` or `hub`."""
    spec = base_model(source)

    def write(draft: Draft) -> dict[str, Any]:
        fetch_base_model(spec, draft.path)
        return {"base": spec.name, "query_prompt": spec.query_prompt}

    return store.build(KIND, inputs={}, config=spec, recipe=["rag.embedding.base"], write=write)


def finetuned_embedder(
    store: ArtifactStore,
    base: ArtifactRef,
    pairs: ArtifactRef,
    config: EmbeddingConfig,
    device: Device,
    on_progress: OnProgress | None = None,
    negatives: ArtifactRef | None = None,
    teacher: ArtifactRef | None = None,
) -> ArtifactRef:
    """Return `base` fine-tuned on the training pairs and their mined negatives, with a model card.

    With a `teacher`, a cross-encoder, it learns too by how much that tells a positive from its negatives. A killed run
    goes on from its checkpoint. Only a run that has to train waits for the device.
    """

    def write(draft: Draft) -> dict[str, Any]:
        from rag.embedding.finetune import finetune

        split, folder, facts = load_pairs(store, pairs), store.path(base), store.facts(base)
        train = with_negatives(store, split.train, negatives)
        with held_for_training(device, "fine-tuning the embedder", draft) as held:
            trained = finetune(
                base=folder,
                query_prompt=facts["query_prompt"],
                train=train,
                validation=split.tuning,
                output=draft.path,
                checkpoints=draft.scratch,
                config=config,
                on_progress=on_progress,
                fitting=store.scratch("fitting") / "batch_sizes.json",
                teacher=_scorer(store, teacher),
            )
        lineage = Lineage(
            facts["base"],
            base.digest,
            training_set,
            negatives.digest if negatives else None,
            facts["query_prompt"],
            teacher.digest if teacher else None,
        )
        counts: dict[str, int] = Counter(str(kind) for pair in train for kind in (pair.origin, pair.question_type))
        origins = {str(origin): counts.get(origin, 0) for origin in Origin}
        card = model_card(lineage, {"all": len(train), **counts, **origins}, trained, config)
        (draft.path / "README.md").write_text(card, encoding="utf-8")
        seen = learned_from(store, split, negatives, base, teacher)
        return {**facts, "training": trained | held, "trained_on": origins, LEARNED_FROM: seen}

    training_set = store.facts(pairs)["training_set"]
    inputs = {"base": base.digest, "training_set": training_set}
    learned_with = {"negatives": negatives, "teacher": teacher}
    return store.build(
        KIND,
        inputs=inputs | {role: ref.digest for role, ref in learned_with.items() if ref},
        config=config,
        recipe=[*TRAINING_RECIPE, *(["rag.reranking.cross_encoder"] if teacher else [])],
        write=write,
    )


def _scorer(store: ArtifactStore, teacher: ArtifactRef | None) -> "Teacher | None":
    if teacher is None:
        return None
    from rag.reranking.cross_encoder import CrossEncoder

    return CrossEncoder(store.path(teacher), store.facts(teacher)["max_seq_length"]).score_pairs


def load_encoder(store: ArtifactStore, ref: ArtifactRef, encoding: EncodingConfig, batch_size: int = 64) -> "Encoder":
    """Load an embedder for encoding.

    :raises ConfigError: if what `encoding` wants is not installed.
    :raises UnfaithfulEncoder: if its export differs too much from the embedder.
    """
    from rag.embedding.encoder import Encoder, fitting_engine

    network = None
    if (engine := fitting_engine(encoding.engine)) != "torch":
        from rag.embedding.openvino import OpenvinoNetwork, exported_encoder

        try:
            exported = exported_encoder(store, ref, encoding.model_copy(update={"engine": engine}))
            network = OpenvinoNetwork(store.path(exported))
        except UnfaithfulEncoder as error:
            if encoding.engine != "auto":
                raise
            logger.warning("encoding with torch: %s", error)
    return Encoder(store.path(ref), store.facts(ref)["query_prompt"], batch_size, network)
