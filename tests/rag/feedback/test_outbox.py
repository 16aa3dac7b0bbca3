import logging
import os
import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from time import sleep

import httpx
import pytest

from rag.feedback.claims import claim_feedback
from rag.feedback.outbox import LEASE_S, deliver, renew
from rag.feedback.watermark import advance_watermark
from storage.columns import utc_now
from tests.processes import at_once
from tests.rag.feedback.uses import address, ask, events, opened, react


class Receiver(BaseHTTPRequestHandler):
    """Takes its time to acknowledge, so that two senders would meet."""

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(body.decode())
        sleep(0.5)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def receiving(port=0):
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.received = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def post(port):
    def send(event):
        httpx.post(f"http://127.0.0.1:{port}/", content=str(event.id), trust_env=False, timeout=60).raise_for_status()

    return send


@pytest.fixture
def port():
    """A port that nobody listens on."""
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def interaction_id(database):
    """Of a collection with one event to send."""
    interaction_id = ask(database)
    react(database, interaction_id, 5, threshold=5)
    return interaction_id


def test_event_is_sent_once_with_what_it_says(database, interaction_id):
    sent = []
    assert deliver(database, sent.append) == 1
    assert deliver(database, sent.append) == 0
    [event], [row] = sent, events(database)
    assert (event.id, event.topic, event.collection) == (row.event_id, "ragloop.feedback.ready", "docs")
    assert event.payload == {"collection": "docs", "after": 0, "upto": 5, "count": 5}
    assert (row.n_sent, row.leased_until) == (1, None)
    assert row.sent_at <= utc_now()


def test_event_waits_while_its_receiver_is_down(database, interaction_id, port, caplog):
    [written] = events(database)
    with caplog.at_level(logging.WARNING):
        assert deliver(database, post(port)) == 0
    [said] = caplog.messages
    assert said.startswith("ragloop.feedback.ready for 'docs' is not sent") and "\n" not in said
    with receiving(port) as server:
        assert deliver(database, post(port)) == 1
        assert server.received == [str(written.event_id)]


def test_event_that_cannot_be_sent_holds_up_no_other(database, interaction_id):
    react(database, ask(database, "wiki"), 5, threshold=5)
    sent = []

    def send(event):
        if event.collection == "docs":
            raise ValueError("no\nreceiver")
        sent.append(event.collection)

    assert deliver(database, send) == 1
    assert sent == ["wiki"]
    assert deliver(database, lambda event: sent.append(event.collection)) == 1
    assert sent == ["wiki", "docs"]


def test_event_waits_until_its_receiver_is_ready(database, interaction_id):
    def unreachable(event):
        raise ConnectionError("no server")

    sent = []
    assert deliver(database, sent.append, ready=lambda event: event.collection != "docs") == 0
    assert deliver(database, sent.append, ready=unreachable) == 0
    assert deliver(database, sent.append, ready=lambda event: event.collection == "docs") == 1
    assert len(sent) == 1


def test_others_write_while_an_event_is_sent(database, interaction_id):
    here = opened(*address(database))
    assert deliver(database, lambda event: react(here, interaction_id)) == 1
    here.close()
    assert claim_feedback(database, "docs").count == 6


def _deliver(url, key, port):
    deliver(opened(url, key), post(port))


def test_processes_that_deliver_at_once_send_each_event_once(database, interaction_id):
    react(database, ask(database, "wiki"), 5, threshold=5)
    with receiving() as server:
        at_once(_deliver, [(*address(database), server.server_port)] * 3)
        assert sorted(server.received) == sorted(str(row.event_id) for row in events(database))
    assert [(row.n_sent, row.sent_at is None) for row in events(database)] == [(1, False)] * 2


def _die_while_sending(url, key):
    deliver(opened(url, key), lambda event: os._exit(0))


def test_event_of_a_killed_sender_is_sent_when_its_lease_has_run_out(database, interaction_id):
    at_once(_die_while_sending, [address(database)])
    sent = []
    assert deliver(database, sent.append) == 0
    [row] = events(database)
    assert timedelta(0) < row.leased_until - utc_now() <= timedelta(seconds=LEASE_S)
    _change(database, leased_until=utc_now())
    assert deliver(database, sent.append) == 1
    assert [event.id for event in sent] == [row.event_id]


def test_event_that_was_not_acted_upon_is_sent_again_as_a_new_one(database, interaction_id):
    sent = []
    deliver(database, sent.append)
    react(database, interaction_id, 2, threshold=5)
    assert renew(database, 5, older_than_s=3600) == 0
    assert renew(database, 5, older_than_s=0) == 1
    assert renew(database, 5, older_than_s=0) == 0, "it waits to be sent already"
    assert deliver(database, sent.append) == 1
    first, second = sent
    assert first.id != second.id
    assert second.payload == {"collection": "docs", "after": 0, "upto": 7, "count": 7}
    assert len(events(database)) == 1


@pytest.mark.parametrize(("n_sent", "n_renewed"), [(1, 1), (2, 0), (100, 0)])
def test_patience_with_an_event_doubles_each_time(database, interaction_id, n_sent, n_renewed):
    deliver(database, lambda event: None)
    _change(database, n_sent=n_sent, sent_at=utc_now() - timedelta(seconds=150))
    assert renew(database, 5, older_than_s=100) == n_renewed


def test_event_whose_feedback_was_consumed_is_not_sent_again(database, interaction_id):
    deliver(database, lambda event: None)
    advance_watermark(database, claim_feedback(database, "docs"), 5)
    assert renew(database, 5, older_than_s=0) == 0


def test_lowered_threshold_makes_an_event_due(database, interaction_id):
    react(database, ask(database, "wiki"), 3, threshold=5)
    assert deliver(database, lambda event: None) == 1
    assert renew(database, 3, older_than_s=3600) == 1
    sent = []
    deliver(database, sent.append)
    assert [event.payload["count"] for event in sent] == [3]


def _change(database, **values):
    with database.session() as session:
        for row in events(database):
            for name, value in values.items():
                setattr(row, name, value)
            session.add(row)
