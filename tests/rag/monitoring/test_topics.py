import numpy as np
import pytest

from rag.monitoring.topics import grouped, topics
from tests.rag.monitoring.uses import asked, days_ago

PARKING = [
    "Where do visitors park their cars?",
    "Is there parking for visitors of the office?",
    "May I park my car in the yard over night?",
]
PENSION = ["When does my pension begin?", "How much pension will I have at 65?"]


@pytest.fixture(scope="module")
def found(encoder):
    questions = dict(enumerate([*PARKING, *PENSION, "What is the wifi password?"]))
    texts = {str(i): text for i, text in questions.items()}
    vectors = dict(zip(texts, encoder.encode_queries(list(texts.values())), strict=True))
    users = ["anna", "bert", "anna", "carl", "dora", "anna"]
    traffic = [asked(id_, days_ago(1), user, found=user == "bert") for id_, user in zip(texts, users, strict=True)]
    return topics(traffic, texts, vectors, 0.35)


def test_questions_that_mean_the_same_are_one_topic_and_what_most_people_ask_comes_first(found):
    assert [(topic.people, topic.questions, topic.unanswered) for topic in found] == [(2, 3, 2), (2, 2, 2), (1, 1, 1)]


def test_a_topic_has_a_question_of_its_own_and_its_words(found):
    assert found[0].question in PARKING and found[1].question in PENSION
    assert found[0].words[0] in {"parking", "park"}
    assert found[1].words[0] == "pension"
    assert not {"the", "where", "for"} & set(found[0].words)


def test_without_text_there_are_its_counts_alone(found):
    said = found[0].without_text()
    assert (said.people, said.question, said.words) == (2, None, ())


def test_what_was_deleted_is_in_no_topic():
    assert topics([asked("a", days_ago(1))], {}, {}, 0.5) == []


def test_groups_part_at_the_cosine():
    angles = np.radians([0, 10, 20, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert len(set(grouped(vectors, 0.9).tolist())) == 2
    assert len(set(grouped(vectors, 0.98).tolist())) == 3
    assert grouped(vectors[:1], 0.9).tolist() == [0]
