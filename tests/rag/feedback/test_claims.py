import multiprocessing
import threading
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from rag.feedback.claims import Claim, claim_feedback, due, lock_feedback, waiting
from rag.feedback.outbox import deliver
from rag.feedback.watermark import ClaimLost, advance_watermark
from storage.database import Database
from storage.sealing import Keyring, Sealer
from storage.tables import FeedbackRow
from tests.rag.feedback.uses import address, ask, events, feedback_ids, opened, react


def test_what_arrives_during_a_retraining_is_left_for_the_next(database):
    interaction_id = ask(database)
    react(database, interaction_id, 50)
    claim = claim_feedback(database, "docs")
    assert claim == Claim(collection="docs", after=0, upto=50, count=50)
    react(database, interaction_id, 30)
    advance_watermark(database, claim, 50)
    assert claim_feedback(database, "docs") == Claim(collection="docs", after=50, upto=80, count=30)
    react(database, interaction_id, 19)
    assert [row.watermark for row in events(database)] == []
    react(database, interaction_id, 1)
    assert [(row.watermark, row.payload["count"]) for row in events(database)] == [(50, 50)]


def test_enough_left_over_writes_the_next_event_as_the_watermark_moves(database):
    interaction_id = ask(database)
    react(database, interaction_id, 5, threshold=5)
    claim = claim_feedback(database, "docs")
    deliver(database, lambda event: None)
    react(database, interaction_id, 7, threshold=5)
    advance_watermark(database, claim, 5)
    assert [(row.watermark, row.payload["count"], row.sent_at is None) for row in events(database)] == [
        (0, 5, False),
        (5, 7, True),
    ]


def test_event_that_was_not_sent_goes_when_its_feedback_is_consumed(database):
    react(database, ask(database), 5, threshold=5)
    assert len(events(database)) == 1
    advance_watermark(database, claim_feedback(database, "docs"), 5)
    assert events(database) == []


@pytest.mark.parametrize("first", [0, 1])
def test_of_claims_that_overlap_the_first_to_end_has_it(database, first):
    interaction_id = ask(database)
    claims = []
    for _ in range(2):
        react(database, interaction_id, 3)
        claims.append(claim_feedback(database, "docs"))
    winner, loser = claims[first], claims[1 - first]
    advance_watermark(database, winner, 50)
    told = f"feedback 1 to {loser.upto} of collection 'docs' was consumed .* up to {winner.upto}"
    for claim in (loser, winner):
        with pytest.raises(ClaimLost, match=told if claim is loser else "was consumed"):
            advance_watermark(database, claim, 50)
    assert claim_feedback(database, "docs").after == winner.upto


def test_claim_on_nothing_changes_nothing(database):
    nothing = claim_feedback(database, "docs")
    assert nothing == Claim(collection="docs", after=0, upto=0, count=0)
    react(database, ask(database), 3)
    advance_watermark(database, claim_feedback(database, "docs"), 50)
    advance_watermark(database, nothing, 50)
    assert claim_feedback(database, "docs") == Claim(collection="docs", after=3, upto=3, count=0)


def test_waiting_names_every_collection_that_had_feedback(database):
    assert waiting(database, 3) == []
    before = datetime.now(UTC)
    react(database, ask(database, "docs"), 3)
    react(database, ask(database, "wiki"), 2)
    ask(database, "silent")
    advance_watermark(database, claim_feedback(database, "wiki"), 3)
    docs, wiki = waiting(database, 3)
    assert (docs.collection, docs.count, docs.threshold, docs.after, docs.upto) == ("docs", 3, 3, 0, 3)
    assert before <= docs.since <= datetime.now(UTC)
    assert (wiki.collection, wiki.count, wiki.since, wiki.after) == ("wiki", 0, None, 5)
    assert due(database, 3) == [docs]
    assert due(database, 4) == []


def test_no_reaction_appears_behind_a_claim(database):
    """The order in which ids are given is the order in which they are seen, whoever commits first."""
    interaction_id = ask(database)
    react(database, interaction_id, 1)
    other = threading.Thread(target=react, args=(database, interaction_id))
    with database.session() as session:
        lock_feedback(database, session, "docs")
        session.add(FeedbackRow(collection="docs", interaction_id=interaction_id, kind="thumb_up"))
        session.flush()
        other.start()
        other.join(1)
        claim = claim_feedback(database, "docs")
    other.join(60)
    advance_watermark(database, claim, 50)
    assert (claim.upto, claim_feedback(database, "docs").count) == (1, 2)


def _write(url, key, interaction_id, n):
    react(opened(url, key), interaction_id, n)


def _consume(url, key, collection, ended, claims):
    database = opened(url, key)
    while True:
        last = ended.is_set()
        claim = claim_feedback(database, collection)
        with database.reading() as session:
            held = FeedbackRow.collection == collection, FeedbackRow.id > claim.after, FeedbackRow.id <= claim.upto
            ids = session.exec(select(FeedbackRow.id).where(*held)).all()
        try:
            advance_watermark(database, claim, 50)
            claims.put((claim, ids))
        except ClaimLost:
            continue
        if last:
            claims.put(None)
            return


def test_each_reaction_is_in_exactly_one_claim_while_others_write(database):
    interactions = {name: ask(database, name) for name in ("docs", "wiki")}
    context = multiprocessing.get_context("spawn")
    ended, claims, here = context.Event(), context.Queue(), address(database)
    writers = [context.Process(target=_write, args=(*here, i, 40)) for i in interactions.values() for _ in range(2)]
    readers = [context.Process(target=_consume, args=(*here, "docs", ended, claims)) for _ in range(2)]
    try:
        for process in writers + readers:
            process.start()
        for process in writers:
            process.join(120)
        ended.set()
        taken = []
        for _ in readers:
            taken += iter(lambda: claims.get(timeout=60), None)
    finally:
        for process in writers + readers:
            process.kill()
    assert [process.exitcode for process in writers] == [0] * 4
    consumed = sorted(feedback_id for _, ids in taken for feedback_id in ids)
    assert consumed == feedback_ids(database, "docs")
    assert len(consumed) == sum(claim.count for claim, _ in taken) == 80
    assert claim_feedback(database, "docs").count == 0
    assert claim_feedback(database, "wiki").count == 80


@pytest.fixture(scope="module")
def one_database(tmp_path_factory):
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('home') / 'r.db'}", Sealer(Keyring.generate()))
    database.migrate()
    yield database
    database.close()


STEPS = st.one_of(
    st.tuples(st.just("react"), st.integers(1, 5)),
    st.tuples(st.just("claim"), st.just(0)),
    st.tuples(st.just("advance"), st.integers(0, 3)),
    st.tuples(st.just("deliver"), st.just(0)),
)
THRESHOLD = 4


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, min_size=10, max_size=40))
def test_any_order_of_steps_consumes_each_reaction_once(one_database, steps):
    collection = uuid4().hex
    interaction_id = ask(one_database, collection)
    ids, claims, mark = [], [], 0
    for step, value in steps:
        if step == "react":
            ids += react(one_database, interaction_id, value, THRESHOLD)
        elif step == "claim":
            claims.append(claim_feedback(one_database, collection))
        elif step == "deliver":
            deliver(one_database, lambda event: None)
        elif claims:
            claim = claims.pop(value % len(claims))
            if claim.count and claim.after != mark:
                with pytest.raises(ClaimLost):
                    advance_watermark(one_database, claim, THRESHOLD)
            else:
                advance_watermark(one_database, claim, THRESHOLD)
                mark = max(mark, claim.upto)
        left = [i for i in ids if i > mark]
        assert claim_feedback(one_database, collection) == Claim(
            collection=collection, after=mark, upto=max(left, default=mark), count=len(left)
        )
        marks = [row.watermark for row in events(one_database) if row.collection == collection]
        assert len(marks) == len(set(marks))
        assert (mark in marks) == (len(left) >= THRESHOLD)
