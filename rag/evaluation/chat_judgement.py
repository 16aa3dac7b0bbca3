"""Judges the release of a chat model by what it answers, and what serves answers, to the same questions."""

from rag.answering.answer import Way
from rag.config import Config
from rag.evaluation.asked import evaluation_sample
from rag.evaluation.chat_gate import ChatReports, judge_chat
from rag.evaluation.gate import Verdict
from rag.evaluation.way_artifact import load_way_report, trusts_chat_model, way_artifact
from rag.evaluation.way_report import WayReport
from rag.judgement import conclude, require_unmoved, settled
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.release import Release


def chat_settled(
    space: Workspace, collection: str, candidate: Release, data: ArtifactRef, config: Config
) -> str | None:
    """Return why a chat model's release needs no judging by the questions of `data`; None if it does."""
    return settled(space, collection, candidate, evaluation_sample(data, config).digest)


def judge_chat_candidate(
    space: Workspace, candidate: Release, against: Release, data: ArtifactRef, config: Config
) -> Verdict:
    """Ask a candidate and what it is to replace the questions of `data`; record the verdict, promote or keep out.

    Each answers over its own documents and as it decides, and its chat model alone; what was asked before is not again.

    :raises NoChatModel: if the candidate has none.
    :raises NoGenerator: if nobody answers from passages.
    :raises ReleaseNotFound: if other models have begun to serve meanwhile.
    :raises ProductionMoved: if anything has, in the moment of promotion.
    """
    sample = evaluation_sample(data, config)

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
    production = require_unmoved(space, candidate, against, "ragloop chat train")
    verdict = judge_chat(reports, config.chat.gate)
    conclude(space, candidate, against, production, verdict, sample.digest, asked(candidate, None))
    return verdict
