from rag.monitoring.traffic import Judgement
from rag.monitoring.unanswered import unanswered
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
