"""A release's chat model and evaluation questions -> its ways to answer side by side, and a verdict."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import CollectionName, ProfileName, QuestionCount, SpeakingRelease, stage_config, stage_name
from rag.config import Config
from rag.evaluation.comparison import WayComparison
from rag.evaluation.gate import Verdict
from storage.artifacts import ArtifactRef
from storage.registry import Release
from tasks.chat import ask_in_each_way, chat_model_release, judge_chat_model, questions_of_chat_model
from tasks.evaluation import production_release
from tasks.publishing import publish_comparison, publish_verdict


@flow(flow_run_name=stage_name)
def compare_chat(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    release: SpeakingRelease = None,
    questions: QuestionCount = None,
) -> WayComparison:
    """Answer the same questions from memory, from passages, from both, and as the release decides."""
    config = _asking(stage_config(profile), questions)
    chosen = chat_model_release(collection, release)
    data = questions_of_chat_model(chosen, config)
    comparison = ask_in_each_way(chosen, data, config)
    publish_comparison(comparison, collection)
    return announced(comparison)


@flow(flow_run_name="judge-chat-model-of-{candidate.id}")
def judge_chat(collection: str, candidate: Release, data: ArtifactRef, config: Config) -> Verdict:
    """Ask candidate and production the same questions, and promote only what is proven better."""
    against = production_release(collection)
    comparison = ask_in_each_way(candidate, data, config)
    publish_comparison(comparison, collection)
    verdict = judge_chat_model(candidate, against, data, config)
    publish_verdict(verdict, candidate, "chat-verdict")
    return verdict


def _asking(config: Config, questions: int | None) -> Config:
    """Return the config with so many questions a group."""
    if questions is None:
        return config
    compare = config.chat.compare.model_copy(update={"questions": questions})
    return config.model_copy(update={"chat": config.chat.model_copy(update={"compare": compare})})
