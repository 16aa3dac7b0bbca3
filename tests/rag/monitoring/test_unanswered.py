from rag.monitoring.traffic import Judgement
from rag.monitoring.unanswered import latest, unanswered
from tests.rag.monitoring.uses import asked, days_ago

WRONG = (Judgement("user anna", False, None),)


def ids(traffic, texts):
    return [each.id for each in unanswered(traffic, texts)]


def test_what_was_not_found_or_judged_wrong_is_open():
    traffic = [
        asked("answered", days_ago(4)),
        asked("not found", days_ago(3), found=False),
        asked("wrong", days_ago(2), judgements=WRONG),
        asked("broken off", days_ago(1), found=None),
    ]
    assert ids(traffic, {each.id: each.id for each in traffic}) == ["not found", "wrong"]


def test_what_was_answered_since_in_the_same_words_is_not():
    traffic = [
        asked("a", days_ago(4), found=False),
        asked("b", days_ago(3)),
        asked("c", days_ago(2), found=False),
    ]
    assert ids(traffic, {"a": "Where is it?", "b": "where is it", "c": "Who is it?"}) == ["c"]
    assert ids(traffic, {"a": "Where is it?", "b": "where is it", "c": "Where is it?"}) == ["c"]


def test_a_wrong_answer_answers_nothing():
    traffic = [asked("a", days_ago(4), found=False), asked("b", days_ago(3), judgements=WRONG)]
    assert ids(traffic, {"a": "Where is it?", "b": "Where is it?"}) == ["a", "b"]


def test_what_was_deleted_is_not_told():
    assert ids([asked("a", days_ago(4), found=False)], {}) == []


def test_of_very_many_the_last_of_each_kind_are_looked_at():
    traffic = [
        asked("old", days_ago(9), found=False),
        asked("answered long ago", days_ago(8)),
        asked("wrong", days_ago(7), judgements=WRONG),
        asked("broken off", days_ago(6), found=None),
        asked("answered", days_ago(5)),
        asked("not found", days_ago(4), found=False),
        asked("answered again", days_ago(3)),
    ]
    assert [each.id for each in latest(iter(traffic), 2)] == ["wrong", "answered", "not found", "answered again"]
