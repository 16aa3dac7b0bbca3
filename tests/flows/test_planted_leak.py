"""A training pair that touches the evaluation set, planted in a real store, ends the run that opens it."""

import pytest

from flows.train_embedder import train_embedder
from rag.config import ChunkingConfig
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.errors import LeakFound
from rag.pairs.artifact import collection_pairs, load_pairs
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.pair import Split
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile, load_config
from tests.company import write_company, write_questions


@pytest.fixture
def made(space, tmp_path):
    """The pairs of a collection, and what is needed to write them again with another among them."""
    intake = seal_uploads(space.artifacts, space.database, "default", [str(write_company(tmp_path / "documents"))])
    ingest_uploads(space.artifacts, space.database, "default", intake.uploads, ChunkingConfig())
    questions = read_questions(write_questions(tmp_path / "questions.jsonl"))
    known = load_alignable(space.artifacts, space.database, "default")
    import_questions(space.database, space.sealer, "default", questions, known)
    return collection_pairs(space.artifacts, space.database, "default", load_config(Profile.SMOKE)).pairs


def plant(space, made, leaking):
    """Return a pairs artifact like `made` with one more training pair."""
    pairs = load_pairs(space.artifacts, made)
    parts = {**{split: pairs.of(split) for split in Split}, Split.TRAIN: [*pairs.train, leaking]}

    def write(draft):
        for split, part in parts.items():
            draft.seal(f"{split}.encrypted", "\n".join(pair.model_dump_json() for pair in part).encode())
        return {**space.artifacts.facts(made), "training_set": leaking.id}

    inputs = space.artifacts.manifest(made).inputs | {"leak": leaking.id}
    return space.artifacts.build("pairs", inputs=inputs, config=None, recipe=[], write=write)


@pytest.mark.parametrize("same", ["question", "document"])
def test_a_planted_leak_fails_the_training_with_the_leaking_ids(space, made, same):
    pairs = load_pairs(space.artifacts, made)
    learned, asked = pairs.train[0], pairs.evaluation[0]
    taken = {"anchor": asked.anchor} if same == "question" else {"group": asked.group, "document": asked.document}
    touched = f"asks what {asked.id} asks" if same == "question" else f"of the evaluated group {asked.group}"
    leaking = learned.model_copy(update={"id": f"planted-{same}", "split": Split.TRAIN, **taken})
    planted = plant(space, made, leaking)
    with pytest.raises(LeakFound) as failed:
        train_embedder(profile=Profile.SMOKE, pairs=planted.uri)
    assert f"planted-{same} ({touched})" in str(failed.value)
    assert not list((space.home / "artifacts" / "embedder").glob("*/runs"))
