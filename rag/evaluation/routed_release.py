"""Releases whose router was calibrated beside the search models that they have, and no others."""

import logging

from rag.chat.serving import register_chat_model
from rag.config import Config, RetrievalConfig
from rag.errors import ConfigError, NoGenerator
from rag.evaluation.comparison import data_of_chat_model
from rag.evaluation.router_artifact import load_router, router_artifact
from rag.judgement import still_serving
from rag.releases import CHAT_ROUTER, Candidate, kept_chat_model, search_models
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ArtifactMissing
from storage.release import Release

logger = logging.getLogger(__name__)


def register_routed(
    space: Workspace, base: Release, chat_model: ArtifactRef, router: ArtifactRef, config: Config
) -> Release:
    """Record what serves, with another chat model, as a candidate.

    :param router: its calibration, beside the search models of `base`.
    :raises ProductionMoved: if others serve by now, or a document that the model learned from was deleted.
    """
    meanwhile = f"a chat model was calibrated beside release {base.id}"
    still_serving(space, base, meanwhile, "ragloop chat train")
    return register_chat_model(space, base.collection, chat_model, config, load_router(space.artifacts, router))


def recalibrated(space: Workspace, base: Release, candidate: Candidate, config: Config) -> ArtifactRef | None:
    """Return what the confidence of a release's chat model is worth beside what a candidate finds in the documents.

    None if the release has no chat model or no router, or the candidate searches as it does; and, with a word in the
    log, if it cannot be learned: the questions went with a deleted document, or somebody who answers cannot be had.
    """
    chat_model = kept_chat_model(space, base)
    if chat_model is None or CHAT_ROUTER not in base.lineage or _searches_alike(base, candidate):
        return None
    speaking = base.model_copy(
        update={
            **dict(candidate.searches_with),
            "chat_model": chat_model,
            "answering": candidate.retrieval.model_dump(mode="json"),
            "lineage": base.lineage | {"evidence_threshold": candidate.evidence_threshold},
        }
    )
    try:
        return router_artifact(space, speaking, data_of_chat_model(space, speaking, config), config)
    except (ArtifactMissing, ConfigError, NoGenerator) as error:  # what searches is to get better all the same
        logger.warning("the chat model of %s could not be calibrated again: %s", base.collection, error)
        return None


def _searches_alike(base: Release, candidate: Candidate) -> bool:
    ranking = RetrievalConfig.model_validate(base.answering)
    return search_models(base) == candidate.searches_with and ranking == candidate.retrieval
