import httpx
import pytest

NONSENSE = [
    ("retrain/retrain", "collection", ""),
    ("retrain/retrain", "collection", "../etc"),
    ("retrain/retrain", "collection", 7),
    ("retrain/retrain", "profile", "gpu-9000"),
    ("retrain/retrain", "reason", "boredom"),
    ("retrain/retrain", "shuffle_labels", "perhaps"),
    ("retrain/retrain", "attempt", 0),
    ("retrain/retrain", "attempt", 4),
    ("ingest/ingest", "sources", []),
    ("ingest/ingest", "sources", "notes.md"),
    ("synthesize/synthesize", "profile", 6),
    ("train-embedder/train-embedder", "pairs", "/tmp/pairs"),
    ("train-chat/train-chat", "data", "training_data.json"),
    ("compare-chat/compare-chat", "release", "newest"),
    ("compare-chat/compare-chat", "questions", 0),
    ("tune/tune", "trials", 0),
    ("tune/tune", "budget_minutes", "all night"),
    ("build-index/build-index", "embedder", "artifact:embedder/latest"),
    ("evaluate/evaluate", "release", "newest"),
    ("monitor/monitor", "collection", ""),
    ("evaluate-answers/evaluate-answers", "generator", "oracle"),
    ("evaluate-answers/evaluate-answers", "version", 0),
]


def create(client, deployment, parameters):
    found = client.read_deployment_by_name(deployment)
    url = f"{client.api_url}deployments/{found.id}/create_flow_run"
    return httpx.post(url, json={"parameters": parameters}, timeout=60)


@pytest.mark.parametrize(("deployment", "field", "value"), NONSENSE)
def test_nonsense_is_refused_with_the_fields_name(client, manual_runs, deployment, field, value):
    given = {"sources": ["notes.md"]} if deployment == "ingest/ingest" else {}
    response = create(client, deployment, given | {field: value})
    assert 400 <= response.status_code < 500
    assert f"'{field}'" in response.json()["detail"]
    assert manual_runs() == []


def test_what_is_required_is_asked_for(client):
    response = create(client, "ingest/ingest", {})
    assert 400 <= response.status_code < 500
    assert "'sources'" in response.json()["detail"]


def test_sense_is_taken(client):
    given = {"collection": "guides", "profile": "smoke", "reason": "api", "shuffle_labels": True, "attempt": 3}
    response = create(client, "retrain/retrain", given)
    assert response.status_code == 201
    assert response.json()["parameters"] == given
