import json
from pathlib import Path

import pytest

from rag.pairs.follow_ups import resolved_question, self_contained, standing_question

HEATS = "How often does the Tarn 200 heat its water?"
WARRANTY = "How long is the warranty of the Alder?"


@pytest.mark.parametrize(
    ("earlier", "question", "expected"),
    [
        (HEATS, "How long does it take?", "How long does the Tarn 200 take?"),
        (HEATS, "And the Skarn 8?", "How often does the Skarn 8 heat its water?"),
        (HEATS, "what about the Tarn 300?", "How often does the Tarn 300 heat its water?"),
        (HEATS, "And in winter?", "How often does the Tarn 200 heat its water, in winter?"),
        (HEATS, "Why?", "How often does the Tarn 200 heat its water? Why?"),
        (HEATS, "How do I clean this filter?", "How do I clean this filter (the Tarn 200)?"),
        (WARRANTY, "Is it transferable?", "Is the warranty of the Alder transferable?"),
        (WARRANTY, "Does that include the hoses?", "Does the warranty of the Alder include the hoses?"),
        (WARRANTY, "And how heavy is the Birk?", "How heavy is the Birk?"),
        ("What does error E4 mean?", "How do I fix that?", "How do I fix error E4?"),
        ("what do spare filters cost for the tarn 200", "can I get them cheaper?", "Can I get the tarn 200 cheaper?"),
    ],
)
def test_a_follow_up_takes_its_topic_from_the_question_before(earlier, question, expected):
    assert self_contained(question, [earlier]) == expected


@pytest.mark.parametrize(
    "question",
    [
        "How long does it take to install the Tarn 300?",
        "Does the Tarn 200 keep its heat?",
        "Is it possible to move the unit indoors?",
        "What should I do if the pump loses its pressure?",
        "how much does shipping cost",
        "What is the price?",
    ],
)
def test_a_question_that_stands_alone_stays_as_it_is(question):
    assert self_contained(question, [HEATS]) == question


def test_a_follow_up_to_nothing_is_none():
    for question in ("Is it heavy?", "Why?", "And the Skarn 8?"):
        assert self_contained(question, []) is None


def test_follow_ups_to_follow_ups_keep_the_topic():
    said = ["Hello!", "How heavy is the Alder?", "thanks. How long is its warranty?"]
    assert standing_question("And of the Birk?", said) == "How long is the Birk's warranty?"


def test_a_question_that_cannot_be_made_to_stand_alone_is_asked_as_it_is():
    assert resolved_question("How long is its warranty?", [HEATS]) == "How long is the Tarn 200's warranty?"
    for earlier in ([], ["Hello!"]):
        assert resolved_question("Hi!  Is it heavy?", earlier) == "Hi!  Is it heavy?"


def test_no_question_of_the_example_is_taken_for_a_follow_up():
    lines = Path("examples/chat_log.jsonl").read_text().splitlines()
    questions = [" ".join(json.loads(line)["question"].split()) for line in lines]
    assert [self_contained(question, [HEATS]) for question in questions] == questions
