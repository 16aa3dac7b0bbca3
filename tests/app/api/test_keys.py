"""Who may do what over HTTP."""

from datetime import timedelta

import httpx
import pytest

from app.access import list_keys, revoke_key
from tests.app.api.conftest import client

QUESTION = {"question": "How far from the wall is the outdoor unit of the Alder?"}
CHAT = {"model": "ragloop", "messages": [{"role": "user", "content": "How far from the wall is the Alder?"}]}
REACTION = {"interaction_id": "none", "kind": "thumb_up"}

READERS = [
    ("POST", "/ask", QUESTION),
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/embeddings", {"model": "ragloop", "input": "x"}),
    ("GET", "/v1/models", None),
    ("POST", "/feedback", REACTION),
    ("GET", "/collections/default/documents", None),
    ("GET", "/uploads/00000000000000000000000000000000", None),
    ("GET", "/keys/self", None),
]
TRAINERS = [
    ("POST", "/collections/default/documents", None),
    ("DELETE", "/collections/default/documents/none.md", None),
    ("POST", "/collections/default/conversations", None),
    ("GET", "/collections/default/pairs", None),
    ("GET", "/collections/default/releases", None),
    ("GET", "/collections/default/releases/1/report", None),
    ("GET", "/collections/default/monitoring", None),
    ("POST", "/collections/default/retrainings", None),
    ("GET", "/collections/default/retrainings", None),
]
ADMINS = [
    ("POST", "/collections/default/releases/1/promote", None),
    ("POST", "/collections/default/releases/rollback", None),
    ("GET", "/metrics", None),
]


def body_of(path, json):
    """Return what httpx sends; a conversations body is no JSON."""
    return (
        {"content": b"{}", "headers": {"content-type": "application/x-ndjson"}}
        if json is None and "conv" in path
        else {"json": json}
    )


@pytest.mark.parametrize(("method", "path", "json"), READERS + TRAINERS + ADMINS)
def test_nothing_opens_without_a_key(server, method, path, json):
    answer = httpx.request(method, server.url + path, **body_of(path, json))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "ragloop keys create" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "json"), TRAINERS + ADMINS)
def test_a_reader_only_asks(server, method, path, json):
    with client(server, "reader") as reader:
        answer = reader.request(method, path, **body_of(path, json))
    assert answer.status_code == 403
    assert "--role" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path", "json"), ADMINS)
def test_a_trainer_does_not_promote(server, method, path, json):
    with client(server, "trainer") as trainer:
        assert trainer.request(method, path, json=json).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "json"),
    [
        case
        for case in READERS + TRAINERS + ADMINS
        if case[1] not in ("/v1/models", "/feedback", "/keys/self") and "uploads" not in case[1]
    ],
)
def test_a_key_of_another_collection_opens_nothing_here(server, method, path, json):
    with client(server, "admin", "town") as bound:
        answer = bound.request(method, path, **body_of(path, json))
    assert answer.status_code == 403
    assert "collection" in answer.json()["error"]["message"]


def test_a_key_of_another_collection_learns_nothing_of_this_one(server):
    with client(server, "admin", "town") as bound, client(server) as reader:
        assert [model["id"] for model in bound.get("/v1/models").json()["data"]] == ["town"]
        assert bound.get("/v1/models/default").status_code == 403
        interaction = reader.post("/ask", json=QUESTION).json()["id"]
        assert bound.post("/feedback", json=REACTION | {"interaction_id": interaction}).status_code == 403
        answer = bound.post("/ask", json=QUESTION | {"collection": "town"}).json()
        assert {source["document"] for source in answer["sources"]} == {"town.md"}


@pytest.mark.parametrize("header", ["Bearer rk_wrong", "Basic cms6eA==", "Bearer", "rk_wrong", "Bearer \xff"])
def test_a_wrong_key_is_refused(server, header):
    headers = {"Authorization": header.encode("latin-1")}
    assert httpx.get(f"{server.url}/v1/models", headers=headers, timeout=60).status_code == 401


def test_an_expired_or_revoked_key_is_refused_from_the_next_request_on(server):
    expired = server.key("reader", lasts=timedelta(seconds=-1))
    headers = {"Authorization": f"Bearer {expired}"}
    assert httpx.get(f"{server.url}/v1/models", headers=headers, timeout=60).status_code == 401
    with client(server) as reader:
        assert reader.get("/v1/models").status_code == 200
        revoke_key(server.space.database, list_keys(server.space.database)[-1].id)
        answer = reader.get("/v1/models")
    assert answer.status_code == 401
    assert "revoked" in answer.json()["error"]["message"]


def test_a_key_says_what_it_may_do(server):
    with client(server, "trainer", "town") as bound:
        told = bound.get("/keys/self").json()
    assert (told["role"], told["collections"], told["expires_at"]) == ("trainer", ["town"], None)
    assert "key_sha256" not in told


def test_health_needs_no_key(server):
    assert httpx.get(f"{server.url}/healthz", timeout=60).json() == {"status": "ok", "max_upload_mb": 64}
    assert httpx.get(f"{server.url}/readyz", timeout=60).json()["ready"]
