"""Why a question is answered as it is, over HTTP."""

import pytest
from sqlmodel import func, select

from storage.tables import InteractionRow
from tests.app.api.conftest import client
from tests.app.api.test_ask import QUESTION


@pytest.fixture
def reader(server):
    with client(server) as opened:
        yield opened


def n_interactions(server):
    with server.space.database.reading() as session:
        return session.exec(select(func.count()).select_from(InteractionRow)).one()


def test_an_answer_is_explained_and_nothing_is_kept_of_it(server, reader):
    answer = reader.post("/ask", json={"question": QUESTION}).json()
    kept = n_interactions(server)
    told = reader.post("/explain", json={"question": QUESTION, "stream": True}).json()
    assert list(told)[0] == "diagnosis"
    assert told["diagnosis"].startswith("answered from [1] alder.md, page 1")
    assert "by extractive" in told["diagnosis"]
    assert (told["text"], told["cached"]) == (answer["text"], answer["text"])
    given = sorted((seen for seen in told["passages"] if seen["number"]), key=lambda seen: seen["number"])
    assert [seen["chunk_id"] for seen in given] == [source["chunk_id"] for source in answer["sources"]]
    assert n_interactions(server) == kept


def test_what_is_not_in_the_documents_is_named(reader):
    told = reader.post("/explain", json={"question": "Who is on a sabbatical?", "collection": "town"}).json()
    assert not told["found"]
    assert "hold no passage with 'sabbatical'" in told["diagnosis"]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"question": " "}, 422, "question"),
        ({"question": QUESTION, "unknown": 1}, 422, "unknown"),
        ({"question": QUESTION, "documents": ["none.md"]}, 422, "none.md"),
        ({"question": QUESTION, "way": "closed-book"}, 404, "ragloop chat train"),
        ({"question": QUESTION, "collection": "nowhere"}, 404, "nowhere"),
    ],
)
def test_what_cannot_be_explained_says_why(reader, body, status, word):
    answer = reader.post("/explain", json=body)
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


def test_a_key_opens_its_own_collections_alone(server):
    with client(server, "reader", "town") as bound:
        assert bound.post("/explain", json={"question": QUESTION}).status_code == 403
    with client(server) as nobody:
        assert nobody.post("/explain", json={"question": QUESTION}, headers={"Authorization": ""}).status_code == 401
