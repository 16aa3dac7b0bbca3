"""Tasks that make query pairs."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from rag.config import Config
from rag.llm.access import LanguageModels
from rag.pairs.artifact import PairInputs, collection_pairs, pairs_artifact, require_enough, synthetic_artifact
from rag.pairs.splitting import split_artifact
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef


@task(cache_policy=NO_CACHE)
def split_documents(collection: str, corpus: ArtifactRef, config: Config) -> ArtifactRef:
    """Give each document its group and split."""
    space = Workspace.open(Settings())
    return split_artifact(space.artifacts, space.database, collection, corpus, config.split, keep=True)


@task(cache_policy=NO_CACHE)
def write_questions(collection: str, corpus: ArtifactRef, split: ArtifactRef, config: Config) -> ArtifactRef:
    """Write questions from the chunks."""
    space = Workspace.open(Settings())
    models = LanguageModels.of(space)
    return synthetic_artifact(space.artifacts, space.database, collection, corpus, split, config, models)


@task(cache_policy=NO_CACHE)
def assemble_pairs(
    collection: str, corpus: ArtifactRef, split: ArtifactRef, synthetic: ArtifactRef, config: Config
) -> ArtifactRef:
    """Bring real and synthetic questions together as pairs."""
    space = Workspace.open(Settings())
    inputs = PairInputs(corpus=corpus, split=split, synthetic=synthetic)
    pairs = pairs_artifact(space.artifacts, space.database, collection, inputs, config)
    require_enough(space.artifacts, pairs)
    return pairs


@task(cache_policy=NO_CACHE)
def collection_pairs_ref(collection: str, pairs: str | None, config: Config) -> ArtifactRef:
    """Return the pairs that were asked for, or those of the collection as it stands."""
    if pairs is not None:
        return ArtifactRef.parse(pairs)
    space = Workspace.open(Settings())
    return collection_pairs(space.artifacts, space.database, collection, config, LanguageModels.of(space)).pairs
