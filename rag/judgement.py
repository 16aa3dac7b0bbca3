"""What a candidate is compared with, and what comes of the verdict: it serves, or is kept out."""

from rag.config import Config, GateConfig, RetrievalConfig
from rag.evaluation.artifact import evaluation_artifact, load_report
from rag.evaluation.gate import Decision, Verdict, judge
from rag.llm.access import LanguageModels
from rag.releases import CHAT_ROUTER, serving_release
from rag.reranking.collection import moved_reranker
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ReleaseNotFound
from storage.registry import Release, ReleaseState


def settled(space: Workspace, collection: str, candidate: Release, asked: str) -> str | None:
    """Return why a candidate needs no judging: it serves, lost, or was rolled back; None if it does.

    :param asked: digest of the evaluation questions.
    """
    production = serving_release(space, collection)
    if candidate.id == production.id:
        return f"nothing new since release {production.id}: the same documents, questions and config"
    for row in reversed(space.registry.evaluations(candidate.id)):
        if row.against_id != production.id or row.evaluation_set_digest != asked:
            continue
        # One that is a candidate still was judged by a process that did not live to keep it out.
        if row.verdict == Decision.KEEP and candidate.state is not ReleaseState.CANDIDATE:
            return f"nothing new since release {candidate.id} was kept out: {row.reason}"
        if candidate.state is ReleaseState.RETIRED:
            back = f"`ragloop releases promote {candidate.id}` brings it back"
            return f"nothing new since release {candidate.id} was rolled back: {back}"
    return None


def candidate_report(space: Workspace, candidate: Release, models: Release, pairs: ArtifactRef) -> ArtifactRef:
    """Return the report of a release's models over the candidate's documents, so that both are asked of the same."""
    config = Config.model_validate(candidate.config)
    corpus = ArtifactRef.model_validate(candidate.lineage["corpus"])
    reranker = models.reranker
    index = index_artifact(
        space.artifacts, space.device, corpus, models.embedder, config, with_tokens=reranker is not None
    )
    if reranker is not None:
        reranker = moved_reranker(space.artifacts, space.device, reranker, index, models.embedder, config)
    asked = SearchModels(embedder=models.embedder, index=index, reranker=reranker)
    answering = RetrievalConfig.model_validate(models.answering)
    return evaluation_artifact(space.artifacts, pairs, asked, answering, config.encoding, LanguageModels.of(space))


def judge_candidate(
    space: Workspace,
    candidate: Release,
    against: Release,
    reports: tuple[ArtifactRef, ArtifactRef],
    config: GateConfig,
) -> Verdict:
    """Judge a candidate by its own report and that of what it is to replace; record the verdict, promote or keep out.

    :raises ReleaseNotFound: if other models have begun to serve meanwhile.
    :raises ProductionMoved: if anything has, in the moment of promotion.
    """
    production = require_unmoved(space, candidate, against, "ragloop retrain")
    report, other = (load_report(space.artifacts, ref) for ref in reports)
    verdict = judge(report, other, config)
    conclude(space, candidate, against, production, verdict, report.evaluation_set, reports[0])
    return verdict


def require_unmoved(space: Workspace, candidate: Release, against: Release, command: str) -> Release:
    """Return what serves; its documents may be others than those of the release that a candidate was judged against.

    :param command: what to run again if more has changed.
    :raises ReleaseNotFound: if other models have begun to serve meanwhile.
    """
    production = serving_release(space, candidate.collection)
    if _answers_by(production) != _answers_by(against):
        raise ReleaseNotFound(
            f"release {production.id} began to serve while release {candidate.id} was judged against {against.id}: "
            f"run `{command}` again"
        )
    return production


def _answers_by(release: Release) -> tuple[object, ...]:
    """Return what of a release stays when its documents change."""
    return release.embedder, release.answering, release.chat_model, release.lineage.get(CHAT_ROUTER)


def conclude(
    space: Workspace,
    candidate: Release,
    against: Release,
    production: Release,
    verdict: Verdict,
    evaluation_set: str,
    report: ArtifactRef,
) -> None:
    """Record a verdict, and promote the candidate in the place of `production`, or keep it out.

    :raises ProductionMoved: if something else serves in the moment of promotion.
    """
    space.registry.record_evaluation(
        candidate.id,
        against_id=against.id,
        evaluation_set_digest=evaluation_set,
        metrics=verdict.model_dump(mode="json"),
        verdict=verdict.decision.value,
        reason=verdict.reason,
        artifact=report,
    )
    if verdict.decision is Decision.PROMOTE:
        space.registry.promote(candidate.collection, candidate.id, verdict.reason, instead_of=production.id)
    else:
        space.registry.keep_out(candidate.id, verdict.reason)
