"""A home of one's own for a benchmark: documents ingested, questions imported, articles held out, as a user would."""

import tempfile
from collections.abc import Collection
from pathlib import Path

from sqlmodel import col, select

from rag.config import Config
from rag.corpus.artifact import corpus_artifact
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.embedding.artifact import base_embedder
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.pair import Split
from rag.pairs.questions_file import RealQuestion
from rag.reranking.artifact import late_interaction
from rag.retrieval.artifact import index_artifact
from rag.retrieval.learning import prior_retrieval
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.tables import DocumentRow

from .data import Dataset


def open_home(folder: Path, labelled: bool = True) -> Workspace:
    """Open the home in `folder`; the one without labels shares its artifacts and has no question imported."""
    settings = Settings(
        home=folder / ("home" if labelled else "home-without-labels"),
        key_file=folder / "keyring.json",
        keyring=None,
        database_url=None,
        artifact_root=str(folder / "home" / "artifacts"),
    )
    return Workspace.open(settings, create=True)


def ingest(space: Workspace, dataset: Dataset, config: Config) -> ArtifactRef:
    """Ingest a dataset's documents as a collection of its name; return the corpus."""
    with tempfile.TemporaryDirectory(dir=space.home) as folder:
        for name, text in dataset.documents.items():
            Path(folder, name).write_bytes(text.encode())
        uploads = seal_uploads(space.artifacts, space.database, dataset.name, [folder]).uploads
    if uploads:
        done = ingest_uploads(space.artifacts, space.database, dataset.name, uploads, config.chunking)
        if done.refused:
            raise SystemExit(f"{dataset.name}: refused {done.refused}")
    return corpus_artifact(space.artifacts, space.database, dataset.name)


def import_real(space: Workspace, dataset: Dataset) -> None:
    """Import a dataset's questions, with their answers' places."""
    questions = [
        RealQuestion(
            id=question.id,
            question=question.text,
            answer=question.answer,
            document=question.document,
            answer_start=question.spans[0][0],
            answer_end=question.spans[0][1],
        )
        for question in dataset.questions
    ]
    known = load_alignable(space.artifacts, space.database, dataset.name)
    done = import_questions(space.database, space.sealer, dataset.name, questions, known)
    if done.refused:
        raise SystemExit(f"{dataset.name}: refused {done.refused}")


def release(space: Workspace, dataset: Dataset, config: Config, depth: int) -> int:
    """Put a dataset into production under the untuned embedder, re-scoring `depth` chunks; return how many it has."""
    store = space.artifacts
    corpus = ingest(space, dataset, config)
    embedder = base_embedder(store, space.settings.models)
    index = index_artifact(store, space.device, corpus, embedder, config, with_tokens=depth > 0)
    made = space.registry.register(
        dataset.name,
        parent_id=None,
        reason="benchmark",
        embedder=embedder,
        index=index,
        reranker=late_interaction(store, space.device, index, embedder, config) if depth else None,
        answering=prior_retrieval(config.retrieval, depth).model_dump(),
        config=config.model_dump(mode="json"),
        lineage={"corpus": corpus.model_dump()},
    )
    space.registry.promote(dataset.name, made.id, "benchmark")
    return int(store.facts(index)["chunks"])


def hold_out(space: Workspace, collection: str, documents: Collection[str]) -> None:
    """Let these documents judge; the others are free to be drawn for training and validation."""
    with space.database.session() as session:
        for row in session.exec(select(DocumentRow).where(col(DocumentRow.collection) == collection)).all():
            row.split = Split.EVALUATION if row.name in documents else None
