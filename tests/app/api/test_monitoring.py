"""How a collection is used, over HTTP."""

import pytest

from tests.app.api.conftest import add_documents, client

SWALLOW = "What is the airspeed of an unladen swallow?"


@pytest.fixture(scope="module")
def ferries(server, tmp_path_factory):
    """A collection about which three people asked what it does not say, and one what it does."""
    folder = tmp_path_factory.mktemp("ferries")
    (folder / "ferry.md").write_text("The ferry to Skarn leaves at noon from the eastern pier.")
    add_documents(server.space, "ferries-seen", folder, server.service.config)
    about = {"collection": "ferries-seen"}
    with client(server) as reader:
        for user in ("anna", "bert", "carl"):
            assert not reader.post("/ask", json=about | {"question": SWALLOW, "user": user}).json()["found"]
        answer = reader.post("/ask", json=about | {"question": "When does the ferry to Skarn leave?", "user": "anna"})
        rating = {"interaction_id": answer.json()["id"], "kind": "rating", "value": 5, "user": "anna"}
        assert reader.post("/feedback", json=rating).status_code == 201
    return "/collections/ferries-seen/monitoring"


def test_a_trainer_sees_use_and_what_to_document_next(server, ferries):
    with client(server, "trainer") as trainer:
        seen = trainer.get(ferries, params={"days": 3}).json()
    today = seen["usage"]["by_day"][-1]
    assert (len(seen["usage"]["by_day"]), today["questions"], today["users"]) == (3, 4, 3)
    assert (today["rating"]["value"], today["rating"]["n"], today["correct"]["n"]) == (5.0, 1, 1)
    assert today["unanswered"]["value"] == 0.75
    assert today["latency"]["total"]["n"] >= 1
    (topic,) = seen["to_document"]
    assert (topic["question"], topic["people"], topic["questions"]) == (SWALLOW, 3, 3)
    assert "swallow" in topic["words"]
    assert seen["alerts"] == []
    assert {metric["untested"] is not None for metric in seen["drift"]["metrics"]} == {True}


def test_a_year_may_be_shown_day_by_day(server, ferries):
    with client(server, "trainer") as trainer:
        seen = trainer.get(ferries, params={"days": 366}).json()
    assert len(seen["usage"]["by_day"]) == 366


def test_only_a_trainer_may(server, ferries):
    with client(server, "reader") as reader:
        assert reader.get(ferries).status_code == 403
    with client(server, "trainer", "town") as elsewhere:
        assert elsewhere.get(ferries).status_code == 403


@pytest.mark.parametrize(
    ("path", "days", "status"),
    [("ferries-seen", 0, 422), ("ferries-seen", 367, 422), ("ferries-seen", "few", 422), ("nowhere", 7, 404)],
)
def test_what_cannot_be_shown_says_so(server, ferries, path, days, status):
    with client(server, "trainer") as trainer:
        answer = trainer.get(f"/collections/{path}/monitoring", params={"days": days})
    assert answer.status_code == status and answer.json()["error"]["message"]
