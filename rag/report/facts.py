"""All that is known of a release and of what it was judged against: ids and numbers only, no text that people wrote."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rag.answering.answer import Way
from rag.answering.manner import Manner
from rag.config import ChatGateConfig, GateConfig
from rag.evaluation.answers import AnswersReport
from rag.evaluation.answers_artifact import KIND as MEASURED
from rag.evaluation.artifact import EVALUATION, load_report
from rag.evaluation.gate import Verdict
from rag.evaluation.judge import JudgedReport
from rag.evaluation.judged_artifact import KIND as JUDGED
from rag.evaluation.judged_artifact import MeasuredAnswers, load_measured
from rag.evaluation.report import EvaluationReport
from rag.evaluation.way_artifact import KIND as ANSWERS
from rag.evaluation.way_artifact import load_way_report
from rag.evaluation.way_report import F1, ROUTED, WayReport
from rag.experiments.experiment import Experiment, list_experiments
from rag.judgement import judged_gate, judged_reports
from rag.report.changes import (
    Row,
    document_rows,
    manifest_of,
    pair_count_rows,
    part_rows,
    setting_rows,
)
from rag.report.lineage import cost_rows, lineage_rows, training_rows
from rag.retrieval.searcher import SearchModels
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, Manifest
from storage.registry import Evaluation, Promotion
from storage.release import CHAT_ROUTER, Release

SHOWN = 50
"""Releases of a collection, at most."""
_SEARCHED = ("embedder", "index", "reranker")


@dataclass(frozen=True)
class ReleaseReport:
    """A release, what it is judged against, and why it serves or does not."""

    release: Release
    against: Release | None
    """What it was judged against; the release before it if it was not; None for a first one."""
    judgement: Evaluation | None
    verdict: Verdict | None
    experiment: Experiment | None
    """The last one that tried it against what served."""
    measured: tuple[AnswersReport, JudgedReport | None] | None
    """What its answers are worth, as it was measured last, and what a judge said of them."""
    gate: GateConfig | ChatGateConfig
    metric: str
    """What the gate decides by."""
    reports: tuple[EvaluationReport, EvaluationReport] | None
    """How both ranked, its own first; None if nothing was ranked, or what it was compared with was not kept."""
    alone: EvaluationReport | None
    """How it ranked, if there is nothing to compare that with."""
    answers: tuple[WayReport, WayReport] | None
    """What both answered, where a chat model was judged, its own first."""
    ways: tuple[WayReport, ...]
    """What it answered in each way, as it decides last."""
    parts: list[Row]
    settings: list[Row]
    documents: list[Row]
    pairs: list[Row]
    lineage: list[Row]
    training: dict[str, list[Row]]
    costs: list[Row]
    releases: list[tuple[Release, Evaluation | None]]
    """The last `SHOWN` of the collection, each with the last verdict on it, oldest first."""
    changes: list[Promotion]
    """Of what serves the collection, oldest first."""
    written_at: datetime


def release_report(space: Workspace, release: Release) -> ReleaseReport:
    """Gather what is known of a release; what went with a deleted document is left out."""
    store, registry = space.artifacts, space.registry
    judgements = registry.judgements(release.collection)
    judgement = judgements.get(release.id)
    other = judgement.against_id if judgement else release.parent_id
    against = registry.get(release.collection, other) if other else None
    verdict = Verdict.model_validate(judgement.metrics) if judgement else None
    by_answers = judgement is not None and judgement.artifact.kind == ANSWERS
    gate = _gate(release, judgement, by_answers)
    refs = _kept(space, judgement)
    answers = (load_way_report(store, refs[0]), load_way_report(store, refs[1])) if refs and by_answers else None
    reports = (load_report(store, refs[0]), load_report(store, refs[1])) if refs and not by_answers else None
    return ReleaseReport(
        release=release,
        against=against,
        judgement=judgement,
        verdict=verdict,
        experiment=_tried(space, release),
        measured=_measured(space, release),
        gate=gate,
        metric=gate.metric if isinstance(gate, GateConfig) else F1,
        reports=reports,
        alone=None if reports or answers else _alone(space, release, judgement),
        answers=answers,
        ways=_ways(space, release, refs[0], answers[0]) if refs and answers else (),
        parts=part_rows(store, against, release),
        settings=setting_rows(against, release) if against else [],
        documents=document_rows(store, against, release) if against else [],
        pairs=pair_count_rows(store, against, release),
        lineage=lineage_rows(space, release, against, judgement),
        training=training_rows(space, release),
        costs=cost_rows(space, release),
        releases=[(each, judgements.get(each.id)) for each in registry.list(release.collection)[-SHOWN:]],
        changes=list(registry.history(release.collection)),
        written_at=datetime.now(UTC),
    )


def _tried(space: Workspace, release: Release) -> Experiment | None:
    """Return the last experiment whose variant a release was."""
    newest_first = list_experiments(space.database, release.collection)
    return next((each for each in newest_first if each.variant_id == release.id), None)


def _gate(release: Release, judgement: Evaluation | None, by_answers: bool) -> GateConfig | ChatGateConfig:
    """Return the gate that judged a release, or that of its config; what that does not know is as it is today."""
    kept = judged_gate(judgement) if judgement else None
    if by_answers:
        known = kept or release.config.get("chat", {}).get("gate", {})
        return ChatGateConfig.model_validate({k: v for k, v in known.items() if k in ChatGateConfig.model_fields})
    known = kept or release.config.get("gate", {})
    return GateConfig.model_validate({k: v for k, v in known.items() if k in GateConfig.model_fields})


def _kept(space: Workspace, judgement: Evaluation | None) -> tuple[ArtifactRef, ArtifactRef] | None:
    """Return the reports of a verdict, if both are there."""
    refs = judged_reports(judgement) if judgement else None
    return refs if refs and all(manifest_of(space.artifacts, ref) for ref in refs) else None


def _alone(space: Workspace, release: Release, judgement: Evaluation | None) -> EvaluationReport | None:
    """Return the report of a release that has no other beside it: of its verdict, else the latest that was made."""
    store = space.artifacts
    if judgement and judgement.artifact.kind == EVALUATION and manifest_of(store, judgement.artifact):
        return load_report(store, judgement.artifact)
    asked = _searched(release)
    found = []
    for ref, manifest in _latest_last(space, EVALUATION):
        ranked_by = manifest.config.get("retrieval")
        of_its_models = {role: digest for role, digest in manifest.inputs.items() if role in _SEARCHED} == asked
        if of_its_models and isinstance(ranked_by, dict) and release.answering.items() <= ranked_by.items():
            found.append(ref)
    return load_report(store, found[-1]) if found else None


def _ways(space: Workspace, release: Release, judged: ArtifactRef, own: WayReport) -> tuple[WayReport, ...]:
    """Return what a release answered to the same questions in each way, and last as it decides."""
    asked = _searched(release) | {"data": space.artifacts.manifest(judged).inputs["data"]}
    if release.chat_model:
        asked["chat_model"] = release.chat_model.digest
    found: dict[str, WayReport] = {}
    for ref, manifest in _latest_last(space, ANSWERS):
        if manifest.inputs.items() <= asked.items():
            report = load_way_report(space.artifacts, ref)
            if report.evaluation_set == own.evaluation_set and report.way != ROUTED:
                found[report.way] = report
    return (*(found[way] for way in Way if way in found), own.model_copy(update={"way": ROUTED}))


def _measured(space: Workspace, release: Release) -> tuple[AnswersReport, JudgedReport | None] | None:
    """Return what the answers of a release are worth, as they were measured last; None if they never were."""
    answers = [ref for ref, manifest in _latest_last(space, MEASURED) if _answers_of(release, manifest)]
    if not answers:
        return None
    said = [ref for ref, each in _latest_last(space, JUDGED) if each.inputs["answers"] == answers[-1].digest]
    return load_measured(space.artifacts, MeasuredAnswers(answers=answers[-1], judged=said[-1] if said else None))


def _answers_of(release: Release, answers: Manifest) -> bool:
    """Say whether answers are those of a release: of its models, ranked and given as it does."""
    models = _searched(release) | ({"chat_model": release.chat_model.digest} if release.chat_model else {})
    given = {role: digest for role, digest in answers.inputs.items() if role in (*_SEARCHED, "chat_model")}
    plan: dict[str, Any] = answers.config
    manner = Manner.of(release)
    return (
        "evaluation_set" in answers.inputs  # else they answer questions that somebody gave in a file
        and _searched(release).items() <= given.items() <= models.items()
        and plan["retrieval"] == release.answering
        and plan["evidence_threshold"] == release.lineage.get("evidence_threshold")
        and plan["router"] in (None, release.lineage.get(CHAT_ROUTER))
        and manner.way in (None, plan["way"])
        and manner.template in (None, plan["answering"]["template"])
    )


def _searched(release: Release) -> dict[str, str]:
    return SearchModels(embedder=release.embedder, index=release.index, reranker=release.reranker).digests


def _latest_last(space: Workspace, kind: str) -> list[tuple[ArtifactRef, Manifest]]:
    manifests = [(ref, manifest_of(space.artifacts, ref)) for ref in space.artifacts.refs() if ref.kind == kind]
    return sorted(((ref, found) for ref, found in manifests if found), key=lambda each: each[1].created_at)
