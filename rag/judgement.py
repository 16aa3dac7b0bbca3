"""What a candidate is compared with, and what comes of the verdict: it serves, or is kept out."""

from collections.abc import Mapping
from typing import NamedTuple, Self

from rag.config import Config, GateConfig, RetrievalConfig
from rag.config.stage import Stage
from rag.evaluation.artifact import evaluation_artifact, load_report
from rag.evaluation.gate import Decision, Verdict, judge
from rag.llm.access import LanguageModels
from rag.releases import CHAT_ROUTER, kept_chat_model, serving_release
from rag.reranking.collection import moved_reranker
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ProductionMoved
from storage.recipes import digest_json
from storage.registry import Release, ReleaseState

_GATE = "gate"
"""Under this name the metrics of a judgement hold the digest of the gate's config."""
_AGAIN = "again: what was trained is kept"


class Terms(NamedTuple):
    """What a candidate is judged by; with others it may fare otherwise."""

    questions: str
    """Digest of the evaluation questions."""
    gate: str
    """Digest of the gate's config."""

    @classmethod
    def of(cls, questions: str, gate: Stage) -> Self:
        """Return the terms of these questions and this config."""
        return cls(questions, digest_json(gate.model_dump(mode="json")))


def settled(space: Workspace, collection: str, candidate: Release, terms: Terms) -> str | None:
    """Return why a candidate needs no judging: it serves, lost on these terms, or was rolled back; None if it does."""
    production = serving_release(space, collection)
    if candidate.id == production.id:
        return f"nothing new since release {production.id}: the same documents, questions and config"
    for row in reversed(space.registry.evaluations(candidate.id)):
        if row.against_id != production.id or row.evaluation_set_digest != terms.questions:
            continue
        lost = row.verdict == Decision.KEEP and row.metrics.get(_GATE) == terms.gate
        # One that is a candidate still was judged by a process that did not live to keep it out.
        if lost and candidate.state is not ReleaseState.CANDIDATE:
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

    :raises ProductionMoved: if other models have begun to serve since the candidate was made.
    """
    # It may have lost a chat model that was not to be kept; one that began to serve meanwhile it must not lose.
    kept = {"chat model": candidate.chat_model == kept_chat_model(space, against)}
    require_shared(candidate, against, kept, "ragloop retrain")
    production = require_unmoved(space, candidate, against, "ragloop retrain")
    report, other = (load_report(space.artifacts, ref) for ref in reports)
    verdict = judge(report, other, config)
    conclude(space, candidate, against, production, verdict, Terms.of(report.evaluation_set, config), reports[0])
    return verdict


def require_shared(candidate: Release, against: Release, shared: Mapping[str, bool], command: str) -> None:
    """Check that a candidate has what its own training does not change from the release that it is to replace.

    One that was made of another release would undo what has begun to serve since.

    :param shared: whether both have the same, by part.
    :param command: what to run again if not.
    :raises ProductionMoved: if not.
    """
    others = [part for part, same in shared.items() if not same]
    if others:
        raise ProductionMoved(
            f"release {candidate.id} has another {' and '.join(others)} than release {against.id}, which began to "
            f"serve while it was made: run `{command}` {_AGAIN}"
        )


def require_unmoved(space: Workspace, candidate: Release, against: Release, command: str) -> Release:
    """Return what serves; its documents may be others than those of the release that a candidate was judged against.

    :param command: what to run again if more has changed.
    :raises ProductionMoved: if other models have begun to serve meanwhile.
    """
    return still_serving(space, against, f"release {candidate.id} was judged against {against.id}", command)


def still_serving(space: Workspace, base: Release, meanwhile: str, command: str) -> Release:
    """Return what serves, if it is a release by what it answers by; its documents may be others.

    :param meanwhile: what was done.
    :param command: what to run again if more has changed.
    :raises ProductionMoved: if other models serve.
    """
    production = serving_release(space, base.collection)
    if _answers_by(production) != _answers_by(base):
        raise ProductionMoved(f"release {production.id} began to serve while {meanwhile}: run `{command}` {_AGAIN}")
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
    terms: Terms,
    report: ArtifactRef,
) -> None:
    """Record a verdict, and promote the candidate in the place of `production`, or keep it out.

    :raises ProductionMoved: if something else serves in the moment of promotion.
    """
    space.registry.record_evaluation(
        candidate.id,
        against_id=against.id,
        evaluation_set_digest=terms.questions,
        metrics=verdict.model_dump(mode="json") | {_GATE: terms.gate},
        verdict=verdict.decision.value,
        reason=verdict.reason,
        artifact=report,
    )
    if verdict.decision is Decision.PROMOTE:
        space.registry.promote(candidate.collection, candidate.id, verdict.reason, instead_of=production.id)
    else:
        space.registry.keep_out(candidate.id, verdict.reason)
