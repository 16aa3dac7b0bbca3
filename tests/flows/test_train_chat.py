"""A chat model trained through its flow, on the smoke profile."""

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter

from flows.compare_chat import compare_chat
from flows.ingest import ingest
from flows.retrain import retrain
from flows.train_chat import train_chat
from rag.chat.calibration import Calibration
from rag.chat.data_artifact import dataset_artifact, load_examples
from rag.corpus.artifact import active_documents
from rag.corpus.ingestion import ingest_uploads, seal_uploads
from rag.errors import ConfigError
from rag.evaluation.asked import Group
from rag.evaluation.comparison import load_comparison
from rag.evaluation.tables import way_rows
from rag.pairs.mined import LEARNED_FROM
from rag.profiles import Profile, load_config
from rag.releases import CHAT_ROUTER, last_judgement
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Another home, in which a chat model was trained; what came of it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGLOOP_HOME", str(folder / "home"))
        patch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
        ingest([str(write_company(folder / "documents"))], profile=Profile.SMOKE)
        outcome = train_chat(profile=Profile.SMOKE)
        yield Workspace.open(Settings()), outcome


def artifacts(key):
    """Return what the runs have left under a key, newest first."""
    wanted = ArtifactFilter.model_validate({"key": {"any_": [key]}})
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    return sorted(found, key=lambda each: each.created, reverse=True)


def test_a_model_that_hardly_learned_is_judged_and_kept_out_and_leaves_its_figures(trained):
    company, outcome = trained
    release = company.registry.get("default", outcome.release_id)
    assert (release.state, release.chat_model) == (ReleaseState.KEPT_OUT, outcome.model)
    assert outcome.verdict.decision == "keep" and release.reason == outcome.verdict.reason
    assert last_judgement(company, release).against_id == company.registry.production("default").id
    assert release.index == company.registry.production("default").index
    assert Calibration.model_validate(release.lineage[CHAT_ROUTER]).threshold is None

    rows = {row["what"]: row["value"] for row in json.loads(artifacts("chat-model-default")[0].data)}
    assert rows["steps"] == 6 and rows["conversations: question"] > 0 and rows["trusted"] == "never"
    assert artifacts("chat-model-training-default")[0].data == 100.0
    assert "validation loss" in artifacts("chat-model-training-default")[0].description
    assert artifacts("chat-verdict-default")[0].data.startswith(f"# Release {release.id} of default: kept out")

    again = train_chat(profile=Profile.SMOKE)
    assert again.verdict is None and f"nothing new since release {release.id} was kept out" in again.headline
    assert (again.release_id, again.model) == (outcome.release_id, outcome.model)


def test_the_ways_to_answer_stand_side_by_side(trained):
    company, outcome = trained
    before = sorted(path.parent for path in company.home.glob("artifacts/*/*/manifest.json"))
    compared = compare_chat(profile=Profile.SMOKE)
    assert compared.release_id == outcome.release_id
    assert sorted(path.parent for path in company.home.glob("artifacts/*/*/manifest.json")) == before
    rows = json.loads(artifacts("chat-comparison-default")[0].data)
    assert rows == way_rows(load_comparison(company.artifacts, compared))
    assert {row["way"] for row in rows} >= {"closed-book", "rag", "routed"}
    assert {row["n"] for row in rows if row["questions"] == "trained questions"} == {"4"}
    assert "p95 ms" in artifacts("chat-costs-default")[0].data
    assert "(data:image/png;base64," in artifacts("chat-picture-default")[0].data
    fewer = compare_chat(profile=Profile.SMOKE, release=str(outcome.release_id), questions=2)
    assert {len(report.of(Group.TRAINED)) for report in load_comparison(company.artifacts, fewer)} == {2}


def test_documents_that_came_meanwhile_are_found_when_it_ends(company, tmp_path):
    (tmp_path / "late.txt").write_text("The Jarvis is a late product with a zinc lid.")
    uploads = seal_uploads(company.artifacts, company.database, "default", [str(tmp_path / "late.txt")]).uploads
    ingest_uploads(company.artifacts, company.database, "default", uploads, load_config(Profile.SMOKE).chunking)
    before = company.registry.production("default")
    train_chat(profile=Profile.SMOKE)
    now = company.registry.production("default")
    assert now.index != before.index and now.parent_id == before.id


def test_it_tells_from_which_documents_it_learned(trained):
    company, model = trained[0], trained[1].model
    seen = set(company.artifacts.facts(model)[LEARNED_FROM])
    data = ArtifactRef.of("chatdata", company.artifacts.manifest(model).inputs["data"])
    trained = {each.source.doc_id for each in load_examples(company.artifacts, data) if each.source and each.trained}
    assert trained <= seen <= {row.id for row in active_documents(company.database, "default")}


def test_a_retraining_calibrates_the_chat_model_that_serves_beside_its_own_search_models(trained):
    company, spoke = trained
    company.registry.promote("default", spoke.release_id, "by hand")
    serving = company.registry.production("default")
    outcome = retrain(profile=Profile.SMOKE)
    release = company.registry.get("default", outcome.release_id)
    assert release.embedder != serving.embedder and release.chat_model == spoke.model
    beside = {"index": release.index.digest, "embedder": release.embedder.digest, "chat_model": spoke.model.digest}
    asked = [company.artifacts.manifest(ref) for ref in company.artifacts.refs() if ref.kind == "chatanswers"]
    assert any(beside.items() <= each.inputs.items() for each in asked)
    assert CHAT_ROUTER in release.lineage
    assert outcome.verdict is not None
    assert "nothing new" in retrain(profile=Profile.SMOKE).headline


def test_conversations_that_a_person_mended_are_trained_on(company, tmp_path):
    turns = [{"role": "user", "content": "When does it open?"}, {"role": "assistant", "content": "At six."}]
    file = tmp_path / "mended.jsonl"
    file.write_text("\n".join(json.dumps({"messages": turns}) for _ in range(8)))
    data = dataset_artifact(company, "default", file)
    outcome = train_chat(profile=Profile.SMOKE, data=data.uri)
    assert outcome.verdict.n_questions > 0  # of the documents: a person's own file has none that measure
    facts = company.artifacts.facts(outcome.model)
    assert facts["trained_on"]["question"] == 8
    assert facts["training"]["examples"]["trained"] == 2  # one answer by heart, and that there is none
    # It may hold what any document says, so it goes with each of them.
    assert len(facts[LEARNED_FROM]) == len(active_documents(company.database, "default"))


def test_a_base_that_is_not_there_stops_it_before_anything_is_made(company, tmp_path, monkeypatch):
    (tmp_path / "ragloop.toml").write_text('[chat.training]\nbase = "/nowhere/at/all"\n')
    monkeypatch.setenv("RAGLOOP_CONFIG", str(tmp_path / "ragloop.toml"))
    with pytest.raises(ConfigError, match=r"/nowhere/at/all.*chat\.training\.base"):
        train_chat(profile=Profile.SMOKE)
    assert not (company.home / "artifacts" / "chatdata").exists()


def test_data_of_another_kind_stops_it_before_anything_is_made(company):
    corpus = company.registry.production("default").lineage["corpus"]["uri"]
    with pytest.raises(ConfigError, match=rf"{corpus} holds no conversations"):
        train_chat(profile=Profile.SMOKE, data=corpus)
    assert not (company.home / "artifacts" / "chatmodel").exists()


def test_without_documents_that_is_what_is_said(home):
    Workspace.open(Settings(), create=True)
    with pytest.raises(ReleaseNotFound, match="add documents with `ragloop ingest PATH`"):
        train_chat(profile=Profile.SMOKE)
