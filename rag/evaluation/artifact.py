"""Evaluation reports in the artifact store."""

from typing import TYPE_CHECKING, Any

from rag.answering.abstention import threshold_of
from rag.config import Config, Ranker, RetrievalConfig
from rag.embedding.artifact import load_encoder
from rag.evaluation.general_set import general_digest
from rag.evaluation.report import EvaluationReport
from rag.evaluation.sets import load_questions
from rag.evaluation.unanswerable import load_unanswerable, refusals, still_unanswerable, unanswerable_artifact
from rag.llm.access import LanguageModels
from rag.releases import search_models
from rag.retrieval.artifact import RANKING
from rag.retrieval.searcher import SearchModels, load_retriever
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore, Draft
from storage.release import Release

if TYPE_CHECKING:
    from rag.retrieval.retriever import Retriever

EVALUATION = "evaluation"
_REPORT = "report.json"
_ANSWERABLE = 100
"""Questions of the set that are looked at for wrong refusals; real ones come first."""


def evaluation_artifact(
    space: Workspace,
    release: Release,
    questions: ArtifactRef,
    config: Config,
    models: SearchModels | None = None,
    ranker: Ranker | None = None,
) -> ArtifactRef:
    """Return the report of what a release finds for an evaluation set, and refuses of what nothing answers.

    :param models: what it searches with, if not with its own: over other documents.
    :param ranker: what alone ranks; as the release does unless given.
    """
    store, models = space.artifacts, models or search_models(release)
    retrieval = RetrievalConfig.model_validate(release.answering)
    retrieval = retrieval.ranked_by(ranker) if ranker else retrieval
    threshold = threshold_of(release.lineage.get("evidence_threshold"), config.answering)
    unanswerable = unanswerable_artifact(store, questions, config)

    def write(draft: Draft) -> dict[str, Any]:
        from rag.evaluation.evaluator import evaluate_retrieval, warm_up
        from rag.evaluation.footprint import footprint
        from rag.evaluation.general import general_hit1

        def opened() -> "Retriever":
            return load_retriever(store, models, retrieval, config.encoding, LanguageModels.of(space))

        pairs = load_questions(store, questions)
        warm_up(opened(), pairs)  # or whoever is asked first in a process would pay for its imports and pools
        with footprint() as taken:
            retriever = opened()
            answered, left_out = evaluate_retrieval(retriever, pairs)
        left = still_unanswerable(load_unanswerable(store, unanswerable), retriever.index.chunks)
        unanswered = {space.sealer.fingerprint(question): question for question in left}
        found = {question.id for question in answered}
        others = [pair for pair in pairs if pair.id in found][:_ANSWERABLE]
        report = EvaluationReport(
            evaluation_set=questions.digest,
            questions=answered,
            left_out=left_out,
            general_hit1=general_hit1(load_encoder(store, models.embedder, config.encoding)),
            serving_bytes=models.n_bytes(store),
            memory_bytes=taken.memory_bytes,
            refusals=refusals(retriever, unanswered, others, threshold, config.answering.passages),
        )
        (draft.path / _REPORT).write_text(report.model_dump_json(), encoding="utf-8")
        return {"metrics": report.means()}

    return store.build(
        EVALUATION,
        inputs={
            "general_set": general_digest(),
            "evaluation_set": questions.digest,
            "unanswerable": unanswerable.digest,
            **models.digests,
        },
        config={
            "retrieval": retrieval.model_dump(mode="json"),
            "engine": config.encoding.engine,
            "evidence_threshold": threshold,
            "passages": config.answering.passages,
        },
        recipe=["rag.evaluation", "rag.embedding.encoder", "rag.answering.abstention", *RANKING],
        write=write,
        reads=[questions, unanswerable],
    )


def load_report(store: ArtifactStore, ref: ArtifactRef) -> EvaluationReport:
    """Read an evaluation report."""
    return EvaluationReport.model_validate_json((store.path(ref) / _REPORT).read_bytes())
