import pytest

from rag.evaluation.agreement import exact_match, token_f1


@pytest.mark.parametrize(
    ("said", "expected", "f1"),
    [
        ("The bakery opens at six.", "the bakery opens at SIX", 1.0),
        ("It opens at six.", "The bakery opens at six.", 0.75),
        ("six six six", "six", 0.5),
        ("nothing alike", "the bakery", 0.0),
        ("", "the bakery", 0.0),
        ("the", "a", 0.0),
    ],
)
def test_f1_is_of_words_without_articles_case_and_marks(said, expected, f1):
    assert token_f1(said, expected) == pytest.approx(f1)
    assert token_f1(expected, said) == pytest.approx(f1)


def test_exact_is_the_same_words_in_the_same_order():
    assert exact_match("The bakery, at six!", "bakery at six") == 1
    assert exact_match("six at bakery", "bakery at six") == 0
