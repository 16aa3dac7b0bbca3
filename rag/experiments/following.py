"""An experiment goes on when documents come or go: its variant, too, then answers from them as they stand."""

from rag.answering.manner import Manner
from rag.experiments.experiment import RECORDED, Experiment
from rag.releases import CHAT_ROUTER, kept_manner, with_manner
from storage.registry import Registry
from storage.release import Release


def following_variant(registry: Registry, experiment: Experiment, production: Release) -> Release | None:
    """Return the variant over the documents of what serves, if that is the control with other documents.

    None if more has changed, or if the variant has models of its own, which would have to index these first.
    """
    collection = experiment.collection
    control, variant = (registry.get(collection, each) for each in (experiment.control_id, experiment.variant_id))
    manner = Manner.of(variant)
    same = _models(variant) == _models(control) and manner == kept_manner(variant, production.chat_model)
    if not (same and _only_documents_changed(registry, control)):
        return None
    return registry.register(
        collection,
        parent_id=production.id,
        reason=f"{RECORDED}{production.id}: as release {variant.id} of other documents",
        embedder=production.embedder,
        index=production.index,
        reranker=production.reranker,
        chat_model=production.chat_model,
        answering=variant.answering,
        config=production.config,
        lineage=with_manner(production.lineage, manner),
    )


def _models(release: Release) -> tuple[object, ...]:
    own = release.embedder, release.index, release.reranker, release.chat_model
    return *own, release.lineage.get(CHAT_ROUTER)


def _only_documents_changed(registry: Registry, control: Release) -> bool:
    """Say whether what serves has the models of the control ever since that did."""
    for change in reversed(registry.history(control.collection)):
        if change.release_id == control.id:
            return True
        if change.action != "refresh":
            return False
    return False
