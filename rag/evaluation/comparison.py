"""The ways to answer, asked the same questions by one release."""

import logging

from pydantic import BaseModel, ConfigDict

from rag.answering.answer import Way
from rag.chat.example import ExampleKind
from rag.config import Config
from rag.evaluation.asked import evaluation_sample, measuring_data, training_data
from rag.evaluation.way_artifact import load_way_report, way_artifact
from rag.evaluation.way_report import ROUTED, WayReport
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.release import Release

logger = logging.getLogger(__name__)


class WayComparison(BaseModel):
    """What a release answers in each way, by reference."""

    model_config = ConfigDict(frozen=True)

    release_id: int
    answers: tuple[ArtifactRef, ...]
    """From memory, from passages, from both if the chat model has learned that, and last as the release decides."""


def data_of_chat_model(space: Workspace, release: Release, config: Config) -> ArtifactRef:
    """Return the conversations that measure a release's chat model.

    :raises NoChatModel: if it has none.
    """
    return measuring_data(space, release.collection, training_data(space, release), config)


def load_comparison(store: ArtifactStore, comparison: WayComparison) -> list[WayReport]:
    """Open what each way made of the questions; the last is as the release decides."""
    *reports, routed = (load_way_report(store, ref) for ref in comparison.answers)
    # A release that never trusts its chat model shares the answers from passages, which have their own name.
    return [*reports, routed.model_copy(update={"way": ROUTED})]


def compare_ways(space: Workspace, release: Release, data: ArtifactRef, config: Config) -> WayComparison:
    """Ask a release the evaluation questions of `data` in each way; what was asked before is not again.

    :raises NoChatModel: if it has no chat model.
    :raises NoGenerator: if nobody answers from passages.
    """
    sample, from_both = evaluation_sample(space, release, data, config), learned_from_passages(space, release)
    if not from_both:
        logger.info("hybrid is left out: the chat model of release %d has learned without passages", release.id)
    ways = (Way.CLOSED_BOOK, Way.RAG, *((Way.HYBRID,) if from_both else ()), None)
    answers = tuple(way_artifact(space, release, way, sample, config) for way in ways)
    return WayComparison(release_id=release.id, answers=answers)


def learned_from_passages(space: Workspace, release: Release) -> bool:
    """Say whether a release's chat model was taught to answer from passages too."""
    taught = space.artifacts.facts(release.chat_model).get("trained_on", {}) if release.chat_model else {}
    return bool(taught.get(ExampleKind.GROUNDED))
