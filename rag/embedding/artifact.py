"""Embedders in the artifact store: the base model, and what was trained from it."""

import shutil
from typing import TYPE_CHECKING, Any

from rag.config import EmbeddingConfig
from rag.embedding.base import base_model, fetch_base_model
from rag.pairs.artifact import load_pairs
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.embedding.encoder import Encoder

KIND = "embedder"


def base_embedder(store: ArtifactStore, source: str) -> ArtifactRef:
    """Return the untuned embedder of a model source, `bundled` or `hub`."""
    spec = base_model(source)

    def write(draft: Draft) -> dict[str, Any]:
        fetch_base_model(spec, draft.path)
        return {"base": spec.name, "query_prompt": spec.query_prompt}

    return store.build(KIND, inputs={}, config=spec, recipe=["rag.embedding.base"], write=write)


def finetuned_embedder(
    store: ArtifactStore, base: ArtifactRef, pairs: ArtifactRef, config: EmbeddingConfig
) -> ArtifactRef:
    """Return `base` fine-tuned on the training pairs. A killed run goes on from its checkpoint."""

    def write(draft: Draft) -> dict[str, Any]:
        from rag.embedding.finetune import finetune

        split = load_pairs(store, pairs)
        facts = store.facts(base)
        trained = finetune(
            base=store.path(base),
            query_prompt=facts["query_prompt"],
            train=split.train,
            validation=split.tuning,
            output=draft.path,
            checkpoints=draft.scratch,
            config=config,
        )
        shutil.copytree(draft.scratch / "runs", draft.path / "runs", dirs_exist_ok=True)
        return {**facts, "training": trained}

    return store.build(
        KIND,
        inputs={"base": base.digest, "training_set": store.facts(pairs)["training_set"]},
        config=config,
        recipe=["rag.embedding.finetune"],
        write=write,
    )


def load_encoder(store: ArtifactStore, ref: ArtifactRef, batch_size: int = 64) -> "Encoder":
    """Load an embedder for encoding."""
    from rag.embedding.encoder import Encoder

    return Encoder(store.path(ref), store.facts(ref)["query_prompt"], batch_size)
