"""What the next training learns from: reactions, chat logs, questions; and what serves."""

import json

import pytest
from sqlmodel import select

from rag.releases import holds_all_documents
from storage.tables import FeedbackRow
from tests.app.api.conftest import add_documents, client
from tests.app.api.test_ask import QUESTION
from tests.app.api.test_streams import until

BIRK = "The lung of the Birk stands at least 17 centimetres from any wall."
TALK = [
    {"role": "user", "content": "How far from the wall is the outdoor unit of the Birk?"},
    {"role": "assistant", "content": BIRK},
]


@pytest.fixture
def trainer(server):
    with client(server, "trainer") as opened:
        yield opened


def test_a_reaction_is_kept_with_who_reacted(server, trainer):
    answer = trainer.post("/ask", json={"question": QUESTION, "user": "anna"}).json()
    about = {"interaction_id": answer["id"]}
    right = answer["citations"][0]["chunk_id"]
    reactions = [
        {"kind": "thumb_up", "user": "anna"},
        {"kind": "right_passage", "chunk_id": right, "user": "anna"},
        {"kind": "rating", "value": 4},
        {"kind": "correction", "text": BIRK},
    ]
    ids = [trainer.post("/feedback", json=about | reaction).json()["id"] for reaction in reactions]
    with server.space.database.reading() as session:
        rows = session.exec(select(FeedbackRow).where(FeedbackRow.id.in_(ids)).order_by(FeedbackRow.id)).all()
    assert [row.kind for row in rows] == [reaction["kind"] for reaction in reactions]
    assert rows[1].chunk_id == right
    people = [row.user_fingerprint for row in rows]
    assert people[0] == people[1] != people[2] == people[3]
    assert "anna" not in people


@pytest.mark.parametrize(
    ("reaction", "status"),
    [
        ({"kind": "thumb_up"}, 404),
        ({"kind": "rating", "value": 6}, 422),
        ({"kind": "rating"}, 422),
        ({"kind": "correction"}, 422),
        ({"kind": "applause"}, 422),
        ({"kind": "thumb_up", "user_fingerprint": "someone else"}, 422),
    ],
)
def test_a_reaction_that_is_none_is_refused(trainer, reaction, status):
    assert trainer.post("/feedback", json={"interaction_id": "nothing"} | reaction).status_code == status


def test_chat_logs_and_questions_become_pairs(trainer):
    kind = {"content-type": "application/x-ndjson"}
    log = json.dumps({"messages": TALK}).encode()
    assert trainer.post("/collections/default/conversations", content=log, headers=kind).json()["imported"] == 1
    broken = trainer.post("/collections/default/conversations", content=log + b"\n{", headers=kind)
    assert broken.status_code == 422
    assert "line 2" in broken.json()["error"]["message"]
    fact = {
        "question": "When does quiet mode of the Cedern begin?",
        "answer": "The hush band of the Cedern begins at 27",
    }
    kept = trainer.post(
        "/collections/default/pairs", json=[fact, {"question": "Why?", "answer": "Nobody knows it."}]
    ).json()
    assert kept["imported"] == 1
    assert len(kept["refused"]) == 1


def test_pairs_are_counted_and_exported(trainer):
    assert trainer.get("/collections/default/pairs").json()
    export = trainer.get("/collections/default/pairs/export")
    assert export.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in export.text.splitlines()]
    assert {"question", "positive", "split"} <= set(lines[0])
    assert trainer.get("/collections/nowhere/pairs").status_code == 409


def test_releases_are_listed_shown_and_changed(server, trainer):
    (first,) = trainer.get("/collections/town/releases").json()
    assert first["state"] == "production"
    assert trainer.get(f"/collections/town/releases/{first['id']}").json()["verdict"] is None
    assert trainer.get("/collections/town/releases/999999999").status_code == 404
    assert trainer.get("/collections/town/releases/99999999999999999999").status_code == 422
    with client(server, "admin") as admin:
        assert admin.post(f"/collections/town/releases/{first['id']}/promote").json()["state"] == "production"
        answer = admin.post("/collections/town/releases/rollback", json={"reason": "a drill"})
        assert answer.status_code == 404
        assert "no earlier release" in answer.json()["error"]["message"]


def test_a_release_is_told_as_a_page_that_fetches_nothing(server, trainer):
    (first,) = trainer.get("/collections/town/releases").json()
    answer = trainer.get(f"/collections/town/releases/{first['id']}/report")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert answer.headers["cache-control"] == "no-store"
    assert f"<h1>Release {first['id']} of town</h1>" in answer.text
    missing = trainer.get("/collections/town/releases/999999999/report")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/json")
    with client(server, "reader") as reader:
        assert reader.get(f"/collections/town/releases/{first['id']}/report").status_code == 403


def test_what_goes_back_to_an_older_release_serves_at_once_and_soon_the_documents_as_they_stand(server, tmp_path):
    space, config = server.space, server.service.config
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text(f"The {name} ferry leaves at noon from the pier of its own.")
        newest = add_documents(space, "ferries", tmp_path, config)
    older = min(release.id for release in space.registry.list("ferries"))

    def all_are_in():
        return holds_all_documents(space, space.registry.production("ferries"))

    with client(server, "admin") as admin:
        answer = admin.post(f"/collections/ferries/releases/{older}/promote").json()
        assert (answer["id"], answer["state"]) == (older, "production")
        assert "they are being indexed" in answer["note"]
        until(all_are_in)
        assert admin.post(f"/collections/ferries/releases/{newest.id}/promote").json()["note"] is None
        space.registry.promote("ferries", older, "by hand")
        space.registry.promote("ferries", newest.id, "by hand")
        back = admin.post("/collections/ferries/releases/rollback").json()
        assert (back["id"], back["state"]) == (older, "production")
        assert "they are being indexed" in back["note"]
        until(all_are_in)
    reasons = [(change.action, change.reason) for change in space.registry.history("ferries")]
    assert reasons[-2:] == [
        ("rollback", "by the API"),
        ("refresh", f"documents changed; the models of release {older}"),
    ]


def test_a_retraining_that_cannot_start_says_how_to_start_its_server(trainer):
    for answer in (trainer.post("/collections/default/retrainings"), trainer.get("/collections/default/retrainings")):
        assert answer.status_code == 503
        assert "ragloop up" in answer.json()["error"]["message"]


def test_metrics_count_by_route_and_generator(server, trainer):
    trainer.post("/ask", json={"question": QUESTION})
    trainer.get("/no/such/path/1")
    trainer.get("/no/such/path/2")
    with client(server, "admin") as admin:
        metrics = admin.get("/metrics").text
    assert 'ragloop_requests_total{method="POST",route="/ask",status="200"}' in metrics
    assert 'route="/collections/{collection}/releases/{release_id}"' in metrics
    assert 'collection="default"' in metrics
    assert 'generator="extractive"' in metrics
    assert 'ragloop_generator_silent_total{generator="groq"}' in metrics
    assert 'ragloop_breaker_open{generator="extractive"} 0.0' in metrics
    assert "ragloop_uploads_waiting 0.0" in metrics
    assert "/no/such" not in metrics
