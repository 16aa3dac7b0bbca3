import json

import pytest

from rag.monitoring.traffic import Judgement, first_uses, load_questions, load_traffic
from storage.tables import InteractionRow
from tests.rag.monitoring.uses import ask, days_ago, react


def test_what_was_asked_is_there_oldest_first_and_nothing_older(database, release_id):
    new = ask(database, release_id, days_ago(1), user="anna", seconds=0.8)
    old = ask(database, release_id, days_ago(3), found=False, support=0.0)
    ask(database, release_id, days_ago(9))
    first, second = load_traffic(database, "default", days_ago(5))
    assert [first.id, second.id] == [old, new]
    assert (second.user, second.score, second.latency_s, second.at) == ("anna", 0.7, 0.8, days_ago(1))
    assert (first.found, second.found) == (False, True)
    assert load_traffic(database, "other", days_ago(5)) == []


def test_an_answer_that_was_known_already_has_no_latency(database, release_id):
    ask(database, release_id, days_ago(1), cached=True)
    assert load_traffic(database, "default", days_ago(5))[0].latency_s is None


@pytest.mark.parametrize(
    ("reactions", "judged"),
    [
        ([("thumb_up", {})], (True, None)),
        ([("thumb_down", {})], (False, None)),
        ([("rating", {"value": 5})], (True, 5)),
        ([("rating", {"value": 4})], (True, 4)),
        ([("rating", {"value": 3})], (None, 3)),
        ([("rating", {"value": 2})], (False, 2)),
        ([("correction", {"text": "Two years."})], (False, None)),
        ([("rating", {"value": 5}), ("correction", {"text": "Two years."})], (False, 5)),
        ([("thumb_down", {}), ("thumb_up", {})], (True, None)),
    ],
)
def test_what_counts_as_correct(database, release_id, reactions, judged):
    id_ = ask(database, release_id, days_ago(1))
    for kind, fields in reactions:
        react(database, id_, kind, days_ago(1), user="anna", **fields)
    (asked,) = load_traffic(database, "default", days_ago(5))
    assert asked.judgements == (Judgement("user anna", *judged),)


def test_a_click_is_no_judgement(database, release_id):
    id_ = ask(database, release_id, days_ago(1))
    react(database, id_, "abandoned", days_ago(1))
    assert load_traffic(database, "default", days_ago(5))[0].judgements == ()


def test_two_people_judge_twice_and_somebody_unknown_is_one_person(database, release_id):
    id_ = ask(database, release_id, days_ago(2))
    for user in ("anna", "bert", None):
        react(database, id_, "thumb_up", days_ago(1), user=user)
    react(database, id_, "correction", days_ago(1), text="Two years.")
    (asked,) = load_traffic(database, "default", days_ago(5))
    said = {judgement.person: judgement.correct for judgement in asked.judgements}
    assert said == {"user anna": True, "user bert": True, f"answer {id_}": False}
    assert asked.judged_wrong


def test_first_uses_reach_back_to_the_beginning(database, release_id):
    for days in (1, 90):
        ask(database, release_id, days_ago(days), user="anna")
    ask(database, release_id, days_ago(2))
    assert first_uses(database, "default") == {"anna": days_ago(90)}


def test_questions_stand_alone_and_deleted_ones_are_gone(database, release_id):
    history = json.dumps([{"role": "user", "content": "How long is the warranty of the Alder?"}])
    follow_up = ask(database, release_id, days_ago(1), "And of the Birk?", history=history)
    gone = ask(database, release_id, days_ago(1), "What does it cost?")
    with database.session() as session:
        session.get(InteractionRow, gone).question = ""
    assert load_questions(database, [follow_up, gone]) == {follow_up: "How long is the warranty of the Birk?"}
