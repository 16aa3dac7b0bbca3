"""Questions over HTTP: whole answers and streams."""

import json

import httpx
import pytest

from tests.app.api.conftest import client

QUESTION = "How far from the wall is the outdoor unit of the Alder?"


def events_of(response):
    """Return (event, data) of a stream of server-sent events."""
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in response.text.split("\n\n") if block]
    lines = [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]
    return [(each["event"], json.loads(each["data"])) for each in lines]


def test_an_answer_comes_with_its_sources(server):
    with client(server) as reader:
        answer = reader.post("/ask", json={"question": QUESTION}).json()
    assert answer["found"]
    assert "10 centimetres" in answer["text"]
    first = answer["citations"][0]
    assert first["document"] == "alder.md"
    assert first["boxes"] is None
    assert answer["sources"][0]["rank"] == 1
    assert first["chunk_id"] in {source["chunk_id"] for source in answer["sources"]}


@pytest.mark.parametrize(
    "how", [{"json": {"question": QUESTION, "stream": True}}, {"headers": {"accept": "text/event-stream"}}]
)
def test_a_stream_ends_with_the_whole_answer(server, how):
    with client(server) as reader:
        events = events_of(reader.post("/ask", **{"json": {"question": QUESTION}} | how))
    names = [name for name, _ in events]
    assert names[0] == "retrieval"
    assert names[-2:] == ["citations", "done"]
    assert set(names[1:-2]) == {"token"}
    done = events[-1][1]
    assert done["id"] == events[0][1]["id"]
    assert done["citations"] == events[-2][1]["citations"]


def test_only_the_documents_that_are_named_are_looked_in(server):
    with client(server) as reader:
        answer = reader.post("/ask", json={"question": QUESTION, "documents": ["birk.md"]}).json()
        assert {source["document"] for source in answer["sources"]} == {"birk.md"}
        assert reader.post("/ask", json={"question": QUESTION, "documents": ["none.md"]}).status_code == 422


def test_boxes_are_told_when_asked_for(server):
    with client(server) as reader:
        answer = reader.post("/ask", json={"question": QUESTION, "boxes": True}).json()
    assert {tuple(citation["boxes"]) for citation in answer["citations"]} == {()}  # Markdown has no pages


def test_a_collection_that_is_not_there_is_named(server):
    with client(server) as reader:
        for stream in (False, True):
            answer = reader.post("/ask", json={"question": QUESTION, "collection": "nowhere", "stream": stream})
            assert answer.status_code == 404
            assert answer.json()["error"]["type"] == "release_not_found"
            assert "nowhere" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'"\xff"',
        b'{"question": "\xff"}',
        b'{"question": NaN}',
        b'{"question": "\\ud800"}',
        b'{"question": "   "}',
        b'{"question": "a", "history": [{"role": "user", "content": "\\ud800"}]}',
        b'{"question": "a", "history": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"question": ' + b"9" * 5000 + b"}",
        b'{"question": "a", "user": "\\u0000"}',
        b'{"question": "a", "unknown": 1}',
        b"",
    ],
)
def test_a_body_that_is_not_one_is_refused_in_one_shape(server, body):
    with client(server) as reader:
        answer = reader.post("/ask", content=body, headers={"content-type": "application/json", "x-request-id": "mine"})
    assert 400 <= answer.status_code < 500
    error = answer.json()["error"]
    assert set(error) == {"type", "message", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"] == "mine"


def test_a_long_conversation_is_answered_from_its_last_turns(server):
    history = [{"role": role, "content": "\x00 words " * 5000} for role in ("user", "assistant") * 4]
    with client(server) as reader:
        answer = reader.post("/ask", json={"question": QUESTION, "history": history})
        assert answer.status_code == 200
        kept = reader.post("/feedback", json={"interaction_id": answer.json()["id"], "kind": "thumb_up"})
        assert kept.status_code == 201


def test_a_question_with_a_null_byte_is_a_question(server):
    with client(server) as reader:
        assert reader.post("/ask", json={"question": "How\x00far?"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("BREW", "/ask", 405),
        ("PUT", "/ask", 405),
        ("GET", "/%ff%00", 404),
        ("GET", "//ask", 404),
    ],
)
def test_unknown_paths_and_methods_are_told_in_the_same_shape(server, method, path, status):
    answer = httpx.request(method, server.url + path, headers={"Host": "no such host!"})
    assert answer.status_code == status
    assert answer.json()["error"]["request_id"]
