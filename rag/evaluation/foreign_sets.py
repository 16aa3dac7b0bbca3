"""Evaluation sets that come from elsewhere, asked of a release; and ours, for others to ask."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rag.config import Config, GeneratorKind, Ranker, RetrievalConfig
from rag.corpus.artifact import foreign_corpus, load_chunks
from rag.corpus.document import Chunk
from rag.evaluation.answers import AnswerSet, AskedQuestion
from rag.evaluation.answers_artifact import answers_artifact, load_answers
from rag.evaluation.beir import export_beir, import_beir
from rag.evaluation.ragas_dataset import export_ragas, import_ragas
from rag.evaluation.report import EvaluationReport
from rag.evaluation.sets import KIND as EVALUATION_SET
from rag.evaluation.sets import load_questions
from rag.llm.access import LanguageModels
from rag.releases import search_models
from rag.reranking.artifact import CROSS_ENCODER, late_interaction
from rag.retrieval.artifact import index_artifact
from rag.retrieval.searcher import SearchModels, load_retriever
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef, ArtifactStore
from storage.recipes import digest_json
from storage.release import Release

logger = logging.getLogger(__name__)


def foreign_answers(
    space: Workspace, release: Release, file: Path, config: Config, generator: GeneratorKind | None = None
) -> ArtifactRef:
    """Return what a release answers to the questions of a ragas dataset; answers and passages in it are passed over.

    :raises BadQuestions: with the number of the line that cannot be used.
    :raises NoGenerator, NoChatModel: as `answers_artifact`.
    """
    asked = tuple(
        AskedQuestion(sample=sample.model_copy(update={"answer": None, "contexts": None}))
        for sample in import_ragas(file)
    )
    return answers_artifact(space, release, AnswerSet(questions=asked), config, generator)


def foreign_retrieval(
    space: Workspace, release: Release, folder: Path, config: Config, ranker: Ranker | None = None
) -> EvaluationReport:
    """Return what a release finds for the queries of a BEIR folder in its corpus, which is indexed for that alone.

    :param ranker: what alone ranks; as the release does unless given.
    :raises BadQuestions: with the number of the line that cannot be used.
    """
    from rag.embedding.artifact import load_encoder
    from rag.evaluation.evaluator import evaluate_retrieval
    from rag.evaluation.footprint import footprint
    from rag.evaluation.general import general_hit1

    found = import_beir(folder)
    relevance = {id_: {chunk: score for chunk, score in own.items() if score} for id_, own in found.relevance.items()}
    retrieval = RetrievalConfig.model_validate(release.answering)
    retrieval = retrieval.ranked_by(ranker) if ranker else retrieval
    with TemporaryDirectory(prefix="ragloop-foreign-") as temporary:
        logger.info("indexing the %d passages of %s", len(found.chunks), folder)
        store, models = _indexed(space, Path(temporary), release, found.chunks, config)
        with footprint() as taken:
            retriever = load_retriever(store, models, retrieval, config.encoding, LanguageModels.of(space))
            questions, left_out = evaluate_retrieval(retriever, found.pairs, relevance)
        return EvaluationReport(
            evaluation_set=digest_json(found.model_dump(mode="json")),
            questions=questions,
            left_out=left_out,
            general_hit1=general_hit1(load_encoder(store, models.embedder, config.encoding)),
            serving_bytes=models.n_bytes(store),
            memory_bytes=taken.memory_bytes,
        )


def export_answered(store: ArtifactStore, answers: ArtifactRef, file: Path) -> Path:
    """Write the answered questions as a ragas dataset, plain and of mode 0600; those that nothing answers stay.

    :raises StorageError: if it cannot be written.
    """
    return export_ragas(file, [given.sample for given in load_answers(store, answers) if given.answerable])


def export_set(store: ArtifactStore, release: Release, measured: ArtifactRef, folder: Path) -> dict[str, Path]:
    """Write the questions of the evaluation set that something was measured by, and all passages of a release, as BEIR.

    The files are plain, of mode 0600. Questions of documents that the release does not have, or has in another version,
    are left out.

    :raises BadQuestions: if no passage holds the evidence of some question.
    :raises StorageError: if the folder cannot be written.
    """
    evaluation_set = ArtifactRef.of(EVALUATION_SET, store.manifest(measured).inputs["evaluation_set"])
    chunks = load_chunks(store, ArtifactRef.model_validate(release.lineage["corpus"]))
    there = {chunk.doc_id for chunk in chunks}
    pairs = [pair for pair in load_questions(store, evaluation_set) if there.issuperset(pair.doc_ids)]
    return export_beir(folder, pairs, chunks)


def _indexed(
    space: Workspace, root: Path, release: Release, chunks: Sequence[Chunk], config: Config
) -> tuple[ArtifactStore, SearchModels]:
    """Return a release's models over other passages, and a store of their own, in a folder that may go."""
    models, store = search_models(release), ArtifactStore(str(root), root / "cache", space.sealer)
    corpus, reranker = foreign_corpus(store, chunks), models.reranker
    _copy(space.artifacts, models.embedder, root)
    index = index_artifact(store, space.device, corpus, models.embedder, config, with_tokens=reranker is not None)
    if reranker is not None and space.artifacts.facts(reranker)["method"] == CROSS_ENCODER:
        _copy(space.artifacts, reranker, root)
    elif reranker is not None:
        reranker = late_interaction(store, space.device, index, models.embedder, config)
    return store, SearchModels(embedder=models.embedder, index=index, reranker=reranker)


def _copy(store: ArtifactStore, ref: ArtifactRef, root: Path) -> None:
    shutil.copytree(store.path(ref), root / ref.kind / ref.digest)
