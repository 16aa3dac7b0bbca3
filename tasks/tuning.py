"""Tasks of a search for better training settings."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import EmbeddingConfig, PairsConfig
from rag.pairs.artifact import remixed
from rag.settings import Settings
from rag.tuning.score import Score, validation_score
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@task(cache_policy=NO_CACHE)
def mix_pairs(pairs: ArtifactRef, config: PairsConfig) -> ArtifactRef:
    """Return the pairs of a search in the mix of a trial."""
    return remixed(Workspace.open(Settings()).artifacts, pairs, config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def score_embedder(embedder: ArtifactRef, questions: ArtifactRef, config: EmbeddingConfig) -> Score:
    """Ask an embedder the validation questions of a search."""
    return validation_score(Workspace.open(Settings()).artifacts, embedder, questions, config)


@task(cache_policy=NO_CACHE)
def tuned_share(embedder: ArtifactRef) -> float:
    """Return how much of a training is left in what it was merged to."""
    return float(Workspace.open(Settings()).artifacts.facts(embedder)["training"]["tuned_share"])
