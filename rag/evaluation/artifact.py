"""Evaluation reports in the artifact store."""

from typing import Any

from rag.config import RetrievalConfig
from rag.embedding.artifact import load_encoder
from rag.evaluation.general_set import general_digest
from rag.evaluation.report import EvaluationReport
from rag.pairs.artifact import load_pairs
from rag.retrieval.artifact import RANKING, load_index
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

_REPORT = "report.json"


def evaluation_artifact(
    store: ArtifactStore, pairs: ArtifactRef, index: ArtifactRef, embedder: ArtifactRef, config: RetrievalConfig
) -> ArtifactRef:
    """Return the report of an embedder and its index on the evaluation questions of a pairs artifact."""
    evaluation_set = store.facts(pairs)["evaluation_set"]

    def write(draft: Draft) -> dict[str, Any]:
        from rag.evaluation.evaluator import evaluate_retrieval
        from rag.evaluation.general import general_hit1
        from rag.retrieval.retriever import Retriever

        opened = load_index(store, index)
        encoder = load_encoder(store, embedder)
        questions = load_pairs(store, pairs).evaluation
        report = EvaluationReport(
            evaluation_set=evaluation_set,
            questions=evaluate_retrieval(Retriever(opened, encoder, config), opened.chunks, questions),
            general_hit1=general_hit1(encoder),
            serving_bytes=store.manifest(index).n_bytes + store.manifest(embedder).n_bytes,
        )
        (draft.path / _REPORT).write_text(report.model_dump_json(), encoding="utf-8")
        return {"metrics": report.means()}

    return store.build(
        "evaluation",
        inputs={
            "general_set": general_digest(),
            "evaluation_set": evaluation_set,
            "index": index.digest,
            "embedder": embedder.digest,
        },
        config=config,
        recipe=["rag.evaluation", "rag.embedding.encoder", *RANKING],
        write=write,
    )


def load_report(store: ArtifactStore, ref: ArtifactRef) -> EvaluationReport:
    """Read an evaluation report."""
    return EvaluationReport.model_validate_json((store.path(ref) / _REPORT).read_bytes())
