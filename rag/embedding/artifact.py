"""Embedders in the artifact store: the base model, and what was trained from it."""

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rag.config import EmbeddingConfig
from rag.device import Device
from rag.embedding.base import base_model, fetch_base_model
from rag.embedding.progress import OnProgress
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
    store: ArtifactStore,
    base: ArtifactRef,
    pairs: ArtifactRef,
    config: EmbeddingConfig,
    device: Device,
    on_progress: OnProgress | None = None,
) -> ArtifactRef:
    """Return `base` fine-tuned on the training pairs. A killed run goes on from its checkpoint.

    Only a run that has to train waits for the device.
    """

    def write(draft: Draft) -> dict[str, Any]:
        from rag.embedding.finetune import finetune

        split, folder, facts = load_pairs(store, pairs), store.path(base), store.facts(base)
        with device.held("fine-tuning the embedder"):
            began_at = datetime.now(UTC)
            trained = finetune(
                base=folder,
                query_prompt=facts["query_prompt"],
                train=split.train,
                validation=split.tuning,
                output=draft.path,
                checkpoints=draft.scratch,
                config=config,
                on_progress=on_progress,
            )
            held = {"began_at": began_at.isoformat(), "ended_at": datetime.now(UTC).isoformat()}
        shutil.copytree(draft.scratch / "runs", draft.path / "runs", dirs_exist_ok=True)
        return {**facts, "training": trained | held}

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
