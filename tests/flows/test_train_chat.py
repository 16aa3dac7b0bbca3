"""A chat model trained through its flow, on the smoke profile."""

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter

from flows.ingest import ingest
from flows.train_chat import train_chat
from rag.chat.data_artifact import dataset_artifact, load_examples
from rag.chat.serving import speaking_release
from rag.corpus.artifact import active_documents
from rag.errors import ConfigError
from rag.pairs.mined import LEARNED_FROM
from rag.profiles import Profile
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from storage.errors import ReleaseNotFound
from storage.registry import ReleaseState
from tests.company import write_company


@pytest.fixture
def company(home, tmp_path):
    """A home with documents and an untuned release."""
    ingest([str(write_company(tmp_path / "documents"))], profile=Profile.SMOKE)
    return Workspace.open(Settings())


def artifacts(key):
    """Return what the runs have left under a key, newest first."""
    wanted = ArtifactFilter.model_validate({"key": {"any_": [key]}})
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    return sorted(found, key=lambda each: each.created, reverse=True)


def test_it_makes_a_candidate_of_what_serves_and_leaves_its_figures(company):
    candidate = train_chat(profile=Profile.SMOKE)
    release = company.registry.get("default", candidate.release_id)
    assert (release.state, release.chat_model) == (ReleaseState.CANDIDATE, candidate.model)
    assert release.index == company.registry.production("default").index
    assert speaking_release(company, "default").id == release.id
    rows = {row["what"]: row["value"] for row in json.loads(artifacts("chat-model-default")[0].data)}
    assert rows["steps"] == 6 and rows["conversations: question"] > 0
    assert artifacts("chat-model-training")[0].data == 100.0
    assert "validation loss" in artifacts("chat-model-training")[0].description

    again = train_chat(profile=Profile.SMOKE)
    assert again == candidate


def test_it_tells_from_which_documents_it_learned(company):
    model = train_chat(profile=Profile.SMOKE).model
    seen = set(company.artifacts.facts(model)[LEARNED_FROM])
    data = ArtifactRef.of("chatdata", company.artifacts.manifest(model).inputs["data"])
    trained = {each.source.doc_id for each in load_examples(company.artifacts, data) if each.source and each.trained}
    assert trained <= seen <= {row.id for row in active_documents(company.database, "default")}


def test_conversations_that_a_person_mended_are_trained_on(company, tmp_path):
    turns = [{"role": "user", "content": "When does it open?"}, {"role": "assistant", "content": "At six."}]
    file = tmp_path / "mended.jsonl"
    file.write_text("\n".join(json.dumps({"messages": turns}) for _ in range(8)))
    data = dataset_artifact(company, "default", file)
    candidate = train_chat(profile=Profile.SMOKE, data=data.uri)
    facts = company.artifacts.facts(candidate.model)
    assert facts["trained_on"]["question"] == facts["training"]["examples"]["trained"] == 8
    # It may hold what any document says, so it goes with each of them.
    assert len(facts[LEARNED_FROM]) == len(active_documents(company.database, "default"))


def test_a_base_that_is_not_there_stops_it_before_anything_is_made(company, tmp_path, monkeypatch):
    (tmp_path / "ragloop.toml").write_text('[chat.training]\nbase = "/nowhere/at/all"\n')
    monkeypatch.setenv("RAGLOOP_CONFIG", str(tmp_path / "ragloop.toml"))
    with pytest.raises(ConfigError, match=r"/nowhere/at/all.*chat\.training\.base"):
        train_chat(profile=Profile.SMOKE)
    assert not (company.home / "artifacts" / "chatdata").exists()


def test_without_documents_that_is_what_is_said(home):
    Workspace.open(Settings(), create=True)
    with pytest.raises(ReleaseNotFound, match="add documents with `ragloop ingest PATH`"):
        train_chat(profile=Profile.SMOKE)
