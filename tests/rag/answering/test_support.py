import pytest

from rag.answering.rarity import Rarity
from rag.answering.support import Support
from rag.config import IndexConfig
from rag.retrieval.index import build_index
from tests.chunks import chunk_of

TEXTS = [
    "Masks are effective against the virus in 3 of 4 trials (11).",
    "Gloves are not effective against the virus.",
    "The virus was found in the water of 1,200 wells [12].",
]


@pytest.fixture(scope="module")
def scorer(encoder):
    chunks = [chunk_of(text, index=i) for i, text in enumerate(TEXTS)]
    windows = [[(0, len(text))] for text in TEXTS]
    return Support(Rarity(build_index(chunks, windows, encoder.encode_passages(TEXTS), IndexConfig())))


@pytest.fixture(scope="module")
def support(scorer):
    return scorer.of


def test_what_stands_in_the_span_is_supported_wholly_and_what_does_not_is_not(support):
    assert support("Masks are effective.", TEXTS[0]) == 1.0
    assert 0 < support("Masks are effective in schools.", TEXTS[0]) < 1
    assert support("Boats sail.", TEXTS[0]) == 0.0


def test_a_rare_word_counts_more_than_one_of_many_chunks(support):
    assert support("Masks and the virus.", "Masks.") > support("Masks and the virus.", "A virus.")


def test_a_figure_that_the_span_lacks_leaves_nothing(support):
    assert support("Masks are effective in 2 of 4 trials.", TEXTS[0]) == 0.0
    assert support("Found in 1200 wells.", TEXTS[2]) > 0.5


def test_a_figure_of_the_question_may_be_said_again(support):
    assert support("The virus was found in water of the 7 springs.", TEXTS[2]) == 0.0
    assert support("The virus was found in water of the 7 springs.", TEXTS[2], "And the 7 springs?") > 0.3


def test_a_reference_is_no_figure(support):
    assert support("The virus was found in wells [12].", "The virus was found in wells.") == 1.0
    assert support("Masks are effective (7).", TEXTS[0]) == 1.0


def test_what_is_denied_here_and_affirmed_there_is_not_supported(support):
    assert support("Gloves are effective against the virus.", TEXTS[1]) == 0.0
    assert support("Masks aren't effective.", TEXTS[0]) == 0.0
    assert support("Gloves are not effective.", TEXTS[1]) == 1.0


@pytest.mark.parametrize(
    ("sentence", "held"),
    [
        ("Masks are effective in 3 of 4 trials.", True),
        ("A mask is effective against viruses.", True),
        ("Masks are effective in 3 of 5 trials.", False),
        ("Masks are useless against the virus.", False),
        ("Masks are not effective against the virus.", False),
        ("It is so.", False),
    ],
)
def test_a_span_holds_a_sentence_if_no_word_of_it_is_new(scorer, sentence, held):
    assert scorer.holds(sentence, TEXTS[0]) is held
