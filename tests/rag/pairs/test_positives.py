import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.pairs.positives import training_passage

TEXT = " ".join(f"word{n}." for n in range(400))


def spans(text: str) -> list[tuple[int, int]]:
    found, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        found.append((at, at + len(word)))
        at += len(word)
    return found


def count(text: str) -> int:
    return len(text.split())


def windows(text: str, tokens: int, stride: int) -> list[tuple[int, int]]:
    words = spans(text)
    starts = [*range(0, max(1, len(words) - tokens), stride), max(0, len(words) - tokens)]
    return [(words[s][0], words[min(s + tokens, len(words)) - 1][1]) for s in dict.fromkeys(starts)]


@given(st.integers(0, 390), st.integers(1, 10), st.text(max_size=8))
def test_the_passage_holds_the_evidence_and_fills_the_tokens(first, n_words, draw):
    words = spans(TEXT)
    start, end = words[first][0], words[min(first + n_words, 400) - 1][1]
    passage_start, passage_end = training_passage(TEXT, start, end, draw, 50, windows, count)
    assert passage_start <= start and end <= passage_end
    assert 47 <= count(TEXT[passage_start:passage_end]) <= 50


def test_the_evidence_lies_at_different_places_and_always_the_same_for_a_draw():
    start = TEXT.index("word200.")
    places = [training_passage(TEXT, start, start + 8, f"p{n}", 50, windows, count) for n in range(20)]
    assert len(set(places)) > 10
    assert places[3] == training_passage(TEXT, start, start + 8, "p3", 50, windows, count)


def test_evidence_longer_than_the_passage_is_cut_at_its_end():
    start, end = TEXT.index("word10."), TEXT.index("word300.")
    passage_start, passage_end = training_passage(TEXT, start, end, "p", 50, windows, count)
    assert passage_start == start and count(TEXT[start:passage_end]) == 50


def test_a_short_text_is_its_own_passage():
    assert training_passage("just four words here", 5, 9, "p", 50, windows, count) == (0, 20)


def test_empty_evidence_is_an_error():
    with pytest.raises(ValueError, match="not a span"):
        training_passage(TEXT, 5, 5, "p", 50, windows, count)
