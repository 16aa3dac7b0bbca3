"""What a candidate is compared with, and what comes of the verdict: it serves, or is kept out."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rag.config import Config, GateConfig
from rag.config.stage import Stage
from rag.corpus.artifact import CORPUS, active_documents
from rag.evaluation.artifact import EVALUATION, evaluation_artifact, load_report
from rag.evaluation.gate import Circumstances, Decision, Verdict, broken_floor, judge
from rag.releases import CHAT_ROUTER, kept_chat_model, serving_release
from rag.reranking.collection import moved_reranker
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.errors import ProductionMoved
from storage.recipes import digest_json
from storage.registry import Evaluation, Release, ReleaseState
from storage.release import MANNER

_GATE = "gate"
"""Under this name the metrics of a judgement hold the digest of the gate's config."""
_GATE_CONFIG = "gate_config"
"""Under this one that config: a release's own is of the day when it was registered."""
_AGAINST = "against_artifact"
"""And under this one the report of what it was judged against, by URI."""
_AGAIN = "again: what was trained is kept"


class Terms(NamedTuple):
    """What a candidate is judged by; with others it may fare otherwise."""

    questions: str
    """Digest of the evaluation set."""
    gate: Stage
    """The gate's config."""

    @property
    def gate_digest(self) -> str:
        """Equal configs have the same."""
        return digest_json(self.gate.model_dump(mode="json"))


def settled(space: Workspace, collection: str, candidate: Release, terms: Terms) -> str | None:
    """Return why a candidate needs no judging: it serves, lost on these terms, or was rolled back; None if it does."""
    production = serving_release(space, collection)
    if candidate.id == production.id:
        return f"nothing new since release {production.id}: the same documents, questions and config"
    for row in reversed(space.registry.evaluations(candidate.id)):
        if row.against_id != production.id or row.evaluation_set_digest != terms.questions:
            continue
        lost = row.verdict == Decision.KEEP and row.metrics.get(_GATE) == terms.gate_digest
        # One that is a candidate still was judged by a process that did not live to keep it out.
        if lost and candidate.state is not ReleaseState.CANDIDATE:
            return f"nothing new since release {candidate.id} was kept out: {row.reason}"
        if candidate.state is ReleaseState.RETIRED:
            back = f"`ragloop releases promote {candidate.id}` brings it back"
            return f"nothing new since release {candidate.id} was rolled back: {back}"
    return None


def candidate_report(
    space: Workspace, candidate: Release, models: Release, questions: ArtifactRef, config: Config
) -> ArtifactRef:
    """Return the report of a release's models over the candidate's documents, so that both are asked of the same.

    :param config: as it is when they are asked; the candidate's may be of an earlier day.
    """
    asked = None if models.id == candidate.id else _moved(space, models, candidate, config)
    return evaluation_artifact(space, models, questions, config, asked)


def _moved(space: Workspace, models: Release, candidate: Release, config: Config) -> SearchModels:
    """Return the search of a release over the documents of a candidate."""
    corpus = ArtifactRef.of(CORPUS, space.artifacts.manifest(candidate.index).inputs[CORPUS])
    reranker = models.reranker
    index = index_artifact(
        space.artifacts, space.device, corpus, models.embedder, config, with_tokens=reranker is not None
    )
    if reranker is not None:
        reranker = moved_reranker(space.artifacts, space.device, reranker, index, models.embedder, config)
    return SearchModels(embedder=models.embedder, index=index, reranker=reranker)


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
    terms = Terms(report.evaluation_set, config)
    verdict = judge(report, other, config, _circumstances(space, candidate, against, terms))
    conclude(space, candidate, against, production, verdict, terms, reports)
    return verdict


def _circumstances(space: Workspace, candidate: Release, against: Release, terms: Terms) -> Circumstances:
    """Return how often the models that serve were challenged, and what the candidate's index lacks.

    What was deleted, or came while the candidate was made, it need not have.
    """
    made = space.artifacts.manifest(ArtifactRef.model_validate(candidate.lineage[CORPUS])).created_at
    there = active_documents(space.database, candidate.collection)
    known = {row.name for row in there if row.ingested_at <= made}
    own, others = (_indexed(space.artifacts, release) for release in (candidate, against))
    missing = known & others - own
    looks = earlier_looks(space, candidate, against, terms, EVALUATION, _searches_by)
    return Circumstances(earlier_looks=looks, missing=tuple(sorted(missing)))


def _indexed(store: ArtifactStore, release: Release) -> set[str]:
    """Return the names of the documents that a release answers from."""
    corpus = ArtifactRef.of(CORPUS, store.manifest(release.index).inputs[CORPUS])
    return set(store.manifest(corpus).inputs)


def earlier_looks(
    space: Workspace,
    candidate: Release,
    against: Release,
    terms: Terms,
    kind: str,
    challenged: Callable[[Release], object],
) -> int:
    """Return how often what serves was challenged before, by reports of a kind.

    Other questions or another gate are another look, also at the same candidate. Asking it the same again, after a
    crash or because documents came meanwhile, is none.

    :param challenged: returns what of a release is to be replaced; new documents make another release of the same.
    """
    same = [each.id for each in space.registry.list(against.collection) if challenged(each) == challenged(against)]
    rows = [row for row in space.registry.judged_against(same) if row.artifact.kind == kind]
    looks = {(row.release_id, row.evaluation_set_digest, row.metrics.get(_GATE)) for row in rows}
    return len(looks - {(candidate.id, terms.questions, terms.gate_digest)})


def _searches_by(release: Release) -> tuple[object, ...]:
    """Return what of a release stays with new documents, another chat model or another prompt."""
    return release.embedder, release.answering


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
    if answers_by(production) != answers_by(base):
        raise ProductionMoved(f"release {production.id} began to serve while {meanwhile}: run `{command}` {_AGAIN}")
    return production


def answers_by(release: Release) -> tuple[object, ...]:
    """Return what of a release stays when its documents change."""
    own = (release.lineage.get(name) for name in (CHAT_ROUTER, MANNER))
    return release.embedder, release.answering, release.chat_model, *own


def conclude(
    space: Workspace,
    candidate: Release,
    against: Release,
    production: Release,
    verdict: Verdict,
    terms: Terms,
    reports: tuple[ArtifactRef, ArtifactRef],
) -> None:
    """Record a verdict, and promote the candidate in the place of `production`, or keep it out.

    :param reports: of the candidate, and of what it was judged against.

    :raises ProductionMoved: if something else serves in the moment of promotion.
    """
    space.registry.record_evaluation(
        candidate.id,
        against_id=against.id,
        evaluation_set_digest=terms.questions,
        metrics=verdict.model_dump(mode="json")
        | {_GATE: terms.gate_digest, _GATE_CONFIG: terms.gate.model_dump(mode="json"), _AGAINST: reports[1].uri},
        verdict=verdict.decision.value,
        reason=verdict.reason,
        artifact=reports[0],
    )
    if verdict.decision is Decision.PROMOTE:
        space.registry.promote(candidate.collection, candidate.id, verdict.reason, instead_of=production.id)
    else:
        space.registry.keep_out(candidate.id, verdict.reason)


def judged_reports(evaluation: Evaluation) -> tuple[ArtifactRef, ArtifactRef] | None:
    """Return the reports that a verdict rests on: the release's, and that of what it was judged against.

    None for one of a time when they were not kept.
    """
    against = evaluation.metrics.get(_AGAINST)
    return (evaluation.artifact, ArtifactRef.parse(against)) if against else None


def floor_broken_by(space: Workspace, release: Release) -> str | None:
    """Return the floor that a retrained release was found to break when it was judged last, proven gain or not.

    None if it broke none, or was not judged, or its reports are gone.
    """
    judgement = space.registry.judgements(release.collection).get(release.id)
    refs = judged_reports(judgement) if judgement is not None and judgement.artifact.kind == EVALUATION else None
    if judgement is None or refs is None or any(space.artifacts.find(ref.kind, ref.digest) is None for ref in refs):
        return None
    own, other = (load_report(space.artifacts, ref) for ref in refs)
    gate = judged_gate(judgement) or {}
    known = {name: value for name, value in gate.items() if name in GateConfig.model_fields}
    return broken_floor(own, other, GateConfig.model_validate(known))


def judged_gate(evaluation: Evaluation) -> Mapping[str, Any] | None:
    """Return the config of the gate that gave a verdict; None for one of a time when it was not kept."""
    return evaluation.metrics.get(_GATE_CONFIG)
