import pytest

from rag.pairs.small_talk import is_small_talk, without_greeting


@pytest.mark.parametrize(
    "text",
    ["Hi!", "Thanks a lot!!", "ok great, thank you for your help", "Good morning", "who are you?", "yes please", "👍"],
)
def test_what_asks_nothing_is_small_talk(text):
    assert is_small_talk(text)


@pytest.mark.parametrize(
    "text", ["Hi, how long is the warranty?", "What can you do against frost?", "warranty", "no hot water"]
)
def test_what_asks_something_is_not(text):
    assert not is_small_talk(text)


def test_a_question_loses_what_is_said_around_it():
    assert without_greeting("Hello there, how long is it? Thanks in advance!") == "how long is it?"
    assert without_greeting("Hiking boots: which?") == "Hiking boots: which?"
    assert without_greeting("Do you say thanks?") == "Do you say thanks?"
