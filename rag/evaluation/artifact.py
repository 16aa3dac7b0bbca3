"""Evaluation reports in the artifact store."""

from typing import TYPE_CHECKING, Any

from rag.config import EncodingConfig, RetrievalConfig
from rag.embedding.artifact import load_encoder
from rag.evaluation.general_set import general_digest
from rag.evaluation.report import EvaluationReport
from rag.pairs.artifact import load_pairs
from rag.retrieval.artifact import RANKING
from rag.retrieval.searcher import SearchModels, load_retriever
from storage.artifacts import ArtifactRef, ArtifactStore, Draft

if TYPE_CHECKING:
    from rag.llm.access import LanguageModels

_REPORT = "report.json"


def evaluation_artifact(
    store: ArtifactStore,
    pairs: ArtifactRef,
    models: SearchModels,
    config: RetrievalConfig,
    encoding: EncodingConfig,
    llm: "LanguageModels | None" = None,
) -> ArtifactRef:
    """Return the report of a search on the evaluation questions of a pairs artifact."""
    evaluation_set = store.facts(pairs)["evaluation_set"]

    def write(draft: Draft) -> dict[str, Any]:
        from rag.evaluation.evaluator import evaluate_retrieval
        from rag.evaluation.general import general_hit1

        questions = load_pairs(store, pairs).evaluation
        retriever = load_retriever(store, models, config, encoding, llm)
        report = EvaluationReport(
            evaluation_set=evaluation_set,
            questions=evaluate_retrieval(retriever, questions),
            general_hit1=general_hit1(load_encoder(store, models.embedder, encoding)),
            serving_bytes=models.n_bytes(store),
        )
        (draft.path / _REPORT).write_text(report.model_dump_json(), encoding="utf-8")
        return {"metrics": report.means()}

    return store.build(
        "evaluation",
        inputs={"general_set": general_digest(), "evaluation_set": evaluation_set, **models.digests},
        config=config.model_dump(mode="json") | {"engine": encoding.engine},
        recipe=["rag.evaluation", "rag.embedding.encoder", *RANKING],
        write=write,
    )


def load_report(store: ArtifactStore, ref: ArtifactRef) -> EvaluationReport:
    """Read an evaluation report."""
    return EvaluationReport.model_validate_json((store.path(ref) / _REPORT).read_bytes())
