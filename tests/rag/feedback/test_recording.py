from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from rag.feedback.claims import MOST_OF_ONE, claim_feedback
from rag.feedback.outbox import TOPIC
from rag.feedback.recording import InteractionNotFound, PassageNotFound, record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction, Retrieved
from rag.feedback.watermark import advance_watermark
from storage.errors import ReleaseNotFound
from storage.tables import ChunkRow, FeedbackRow, InteractionRow, OutboxRow
from tests.processes import at_once
from tests.rag.feedback.uses import address, ask, document_row, events, feedback_ids, react, react_from_process, say


@pytest.mark.parametrize(("n_rows", "n_events"), [(50, 1), (49, 0)])
def test_reactions_from_eight_processes_at_once_write_one_event_at_the_threshold(database, n_rows, n_events):
    interaction_id = ask(database)
    shares = [len(range(start, n_rows, 8)) for start in range(8)]
    at_once(react_from_process, [(*address(database), interaction_id, share, 50) for share in shares])
    ids = feedback_ids(database)
    assert len(ids) == n_rows
    payload = {"collection": "docs", "after": 0, "upto": max(ids), "count": 50}
    assert [(row.topic, row.collection, row.payload) for row in events(database)] == [
        (TOPIC, "docs", payload)
    ] * n_events


def test_event_is_written_once_however_much_more_comes(database):
    interaction_id = ask(database)
    react(database, interaction_id, 4, threshold=5)
    assert events(database) == []
    react(database, interaction_id, 20, threshold=5)
    [event] = events(database)
    assert event.payload["count"] == 5


def test_collections_count_apart(database):
    for name in ("docs", "wiki"):
        react(database, ask(database, name), 4, threshold=5)
    assert events(database) == []
    react(database, ask(database, "wiki"), 1, threshold=5)
    [event] = events(database)
    assert (event.collection, event.payload["count"]) == ("wiki", 5)


def test_watermark_has_no_second_event_even_without_the_lock(database):
    react(database, ask(database), 5, threshold=5)
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(OutboxRow(topic=TOPIC, collection="docs", watermark=0))


def test_reaction_and_its_event_are_written_together_or_not_at_all(database):
    interaction_id = ask(database)
    react(database, interaction_id, 4, threshold=5)
    with database.session() as session:
        session.connection().execute(text("ALTER TABLE outbox RENAME TO elsewhere"))
    with pytest.raises(Exception, match="missing"):
        react(database, interaction_id, 1, threshold=5)
    with database.session() as session:
        session.connection().execute(text("ALTER TABLE elsewhere RENAME TO outbox"))
    assert (len(feedback_ids(database)), events(database)) == (4, [])


def test_unknown_interaction_is_named(database):
    with pytest.raises(InteractionNotFound, match="no interaction 'gone'"):
        record_feedback(database, Feedback(interaction_id="gone", kind=FeedbackKind.COPIED), 50)


def test_the_same_vote_again_adds_nothing_and_another_one_takes_its_place(database):
    answer = ask(database)
    ups = {say(database, answer, "thumb_up", "ann") for _ in range(200)}
    assert feedback_ids(database) == list(ups) and len(ups) == 1
    down = say(database, answer, "thumb_down", "ann")
    rating = say(database, answer, "rating", "ann", value=2)
    assert feedback_ids(database) == [rating] and rating > down > ups.pop()
    bob = say(database, answer, "thumb_up", "bob")
    assert feedback_ids(database) == [rating, bob]


def test_each_kind_of_reaction_and_each_passage_stands_beside_the_vote(database):
    shown = [Retrieved(chunk_id=f"d:{i}", rank=i + 1, score=1) for i in range(2)]
    answer = ask(database, retrieved=shown)
    said = [("thumb_up", {}), ("copied", {"chunk_id": "d:0"}), ("copied", {"chunk_id": "d:1"}), ("copied", {})]
    ids = [say(database, answer, kind, "ann", **fields) for kind, fields in said]
    first = say(database, answer, "correction", "ann", text="It is two years.")
    second = say(database, answer, "correction", "ann", text="It is three years.")
    assert feedback_ids(database) == [*ids, second] and first not in feedback_ids(database)


def test_nobody_in_particular_is_one_person_for_each_answer(database):
    one, other = ask(database), ask(database)
    for answer in (one, other, one):
        say(database, answer, "thumb_up")
    say(database, one, "thumb_up", "ann")
    assert len(feedback_ids(database)) == 3


def test_a_changed_mind_is_new_to_the_next_retraining(database):
    answer = ask(database)
    say(database, answer, "thumb_up", "ann")
    claim = claim_feedback(database, "docs")
    later = say(database, answer, "thumb_down", "ann")
    advance_watermark(database, claim, 50)
    left = claim_feedback(database, "docs")
    assert (left.count, left.upto) == (1, later)


def test_one_user_makes_no_retraining_due(database):
    for answer in [ask(database) for _ in range(60)]:
        say(database, answer, "thumb_up", "ann")
    assert (claim_feedback(database, "docs").count, events(database)) == (MOST_OF_ONE, [])
    react(database, ask(database), 50 - MOST_OF_ONE)
    assert len(events(database)) == 1
    advance_watermark(database, claim_feedback(database, "docs"), 50)
    assert claim_feedback(database, "docs").count == 0


def test_a_passage_that_was_not_shown_must_be_of_the_collection(database):
    with database.session() as session:
        for name in ("docs", "wiki"):
            session.add(document_row(name))
            session.flush()
            counts = dict.fromkeys(("chunk_index", "page_no", "char_start", "char_end", "n_tokens"), 1)
            session.add(ChunkRow(id=f"{name}:0", doc_id=name, text="x", **counts))
    answer = ask(database, retrieved=[Retrieved(chunk_id="old:3", rank=1, score=1)])
    for chunk_id in ("docs:0", "old:3"):
        say(database, answer, "right_passage", "ann", chunk_id=chunk_id)
    for chunk_id in ("wiki:0", "gone:0"):
        with pytest.raises(PassageNotFound, match=f"no passage '{chunk_id}' in collection 'docs': give"):
            say(database, answer, "right_passage", "ann", chunk_id=chunk_id)


def test_interaction_needs_a_release_of_its_collection(database):
    ask(database, "docs")
    for collection, release_id in (("docs", 7), ("wiki", 1)):
        with pytest.raises(ReleaseNotFound, match=f"'{collection}' has no release {release_id}"):
            record_interaction(database, Interaction(collection=collection, release_id=release_id, question="?"))


def test_what_was_said_comes_back_and_is_sealed_on_the_disk(database):
    ask(database)
    found = Retrieved(chunk_id="d1:0", rank=1, score=0.5)
    interaction = Interaction(
        collection="docs", release_id=1, question="a distinctive question", answer="two years", retrieved=(found,)
    )
    interaction_id = record_interaction(database, interaction)
    correction = Feedback(interaction_id=interaction_id, kind="correction", text="a distinctive answer")
    rating = Feedback(interaction_id=interaction_id, kind="rating", value=4)
    before = datetime.now(UTC)
    ids = [record_feedback(database, feedback, 50) for feedback in (correction, rating)]
    with database.reading() as session:
        row = session.get(InteractionRow, interaction_id)
        assert (row.question, row.answer, row.retrieved) == (
            interaction.question,
            "two years",
            [{"chunk_id": "d1:0", "rank": 1, "score": 0.5}],
        )
        rows = [session.get(FeedbackRow, feedback_id) for feedback_id in ids]
        assert [(r.kind, r.value, r.text) for r in rows] == [
            ("correction", None, "a distinctive answer"),
            ("rating", 4, None),
        ]
        assert all(before <= r.created_at <= datetime.now(UTC) for r in rows)
        for table in ("interaction", "feedback"):
            assert (
                b"distinctive" not in repr(session.connection().execute(text(f"SELECT * FROM {table}")).all()).encode()
            )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"kind": "rating"}, "value from 1 to 5"),
        ({"kind": "rating", "value": 6}, "less than or equal to 5"),
        ({"kind": "rating", "value": 2.5}, "valid integer"),
        ({"kind": "thumb_up", "value": 1}, "any other kind has none"),
        ({"kind": "correction"}, "corrected answer"),
        ({"kind": "correction", "text": ""}, "at least 1 character"),
        ({"kind": "applause"}, "'rating'"),
        ({"kind": "copied", "interaction_id": ""}, "at least 1 character"),
        ({"kind": "copied", "interaction_id": "a\0"}, "pattern"),
        ({"kind": "copied", "weight": 3}, "Extra inputs"),
        ({"kind": "right_passage"}, "chunk_id of the passage"),
        ({"kind": "thumb_up", "chunk_id": "d:0"}, "a chunk_id is for citation_opened, copied, right_passage"),
    ],
)
def test_reaction_that_says_nothing_is_refused(values, told):
    with pytest.raises(ValidationError, match=told):
        Feedback(**({"interaction_id": "i1"} | values))
