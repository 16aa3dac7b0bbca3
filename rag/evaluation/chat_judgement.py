"""Judges the release of a chat model by what it answers, and what serves answers, to the same questions."""

from collections.abc import Mapping

from rag.answering.answer import Way
from rag.config import Config
from rag.evaluation.asked import evaluation_sample
from rag.evaluation.asking import trusts_chat_model
from rag.evaluation.chat_gate import ChatReports, judge_chat
from rag.evaluation.gate import Verdict
from rag.evaluation.way_artifact import KIND, load_way_report, way_artifact
from rag.evaluation.way_report import WayReport
from rag.judgement import Terms, answers_by, conclude, earlier_looks, require_shared, require_unmoved, settled
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.release import Release

_COMMAND = "ragloop chat train"


def chat_settled(
    space: Workspace, collection: str, candidate: Release, data: ArtifactRef, config: Config
) -> str | None:
    """Return why a chat model's release needs no judging by the questions of `data`; None if it does."""
    sample = evaluation_sample(space, candidate, data, config)
    return settled(space, collection, candidate, Terms(sample.digest, config.chat.gate))


def judge_chat_candidate(
    space: Workspace, candidate: Release, against: Release, data: ArtifactRef, config: Config
) -> Verdict:
    """Ask a candidate and what it is to replace the questions of `data`; record the verdict, promote or keep out.

    Each answers over its own documents and as it decides, and its chat model alone; what was asked before is not again.

    :raises NoChatModel: if the candidate has none.
    :raises NoGenerator: if nobody answers from passages.
    :raises ProductionMoved: if other models have begun to serve since the candidate was made.
    """
    require_shared(candidate, against, _search(candidate, against), _COMMAND)
    sample = evaluation_sample(space, candidate, data, config)

    def asked(release: Release, way: Way | None) -> ArtifactRef:
        return way_artifact(space, release, way, sample, config)

    def report(release: Release, way: Way | None) -> WayReport:
        return load_way_report(space.artifacts, asked(release, way))

    reports = ChatReports(
        candidate=report(candidate, None),
        production=report(against, None),
        candidate_memory=report(candidate, Way.CLOSED_BOOK),
        production_memory=report(against, Way.CLOSED_BOOK) if against.chat_model else None,
        trusted=trusts_chat_model(candidate),
    )
    production = require_unmoved(space, candidate, against, _COMMAND)
    terms = Terms(sample.digest, config.chat.gate)
    looks = earlier_looks(space, candidate, against, terms, KIND, answers_by)
    verdict = judge_chat(reports, config.chat.gate, looks)
    conclude(space, candidate, against, production, verdict, terms, (asked(candidate, None), asked(against, None)))
    return verdict


def _search(candidate: Release, against: Release) -> Mapping[str, bool]:
    """Return whether a chat model's release searches as another does."""
    return {
        "embedder": candidate.embedder == against.embedder,
        # Some rerankers belong to one index, and are made anew with it when the documents change.
        "reranker": candidate.reranker == against.reranker or candidate.index != against.index,
        "ranking": candidate.answering == against.answering,
    }
