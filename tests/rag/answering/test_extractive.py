import pytest

from rag.answering.extractive import ExtractiveGenerator
from rag.answering.generator import GeneratorSilent
from rag.config import AnsweringConfig
from tests.rag.answering.requests import BREAD, CHEESE, request_of


@pytest.fixture(scope="module")
def generator(encoder):
    return ExtractiveGenerator(encoder, AnsweringConfig())


def said(generator, *texts, **fields):
    return list(generator.generate(request_of(*texts, **fields)))


def test_the_best_sentence_comes_first_with_the_number_of_its_passage(generator):
    pieces = said(generator, CHEESE, BREAD)
    assert pieces[0] == "The bakery opens at six in the morning on weekdays. [2]"


def test_a_question_for_a_figure_is_answered_with_the_sentence_that_holds_it(generator):
    text = "The warranty of the Alder is generous and covers the compressor. For the Alder it runs for 24 months."
    assert "24 months" in said(generator, text, question="How long is the warranty of the Alder?")[0]


def test_a_heading_or_a_question_lends_its_words_to_what_follows_and_is_not_quoted(generator):
    text = "# Warranty of the Alder\n\nHow long is it?\n\nIt runs two years from delivery.\n\nIt is made of tin."
    assert said(generator, text, question="How long is the warranty of the Alder?")[0].startswith("It runs two years")


def test_no_more_sentences_than_the_config_allows_and_none_twice(encoder):
    text = "Rye bread is baked daily. Rye bread is baked on each day. Wheat bread is baked daily. Oat bread is as well."
    one, nine = (ExtractiveGenerator(encoder, AnsweringConfig(max_sentences=n)) for n in (1, 9))
    assert len(said(one, text, text, question="Which bread is baked daily?")) == 1
    many = said(nine, text, text, question="Is rye bread baked?")
    assert len(set(many)) == len(many) <= 4


def test_references_to_literature_are_left_out(generator):
    text = "The bakery opens at six in the morning (11). [12] It closes at noon [3]."
    assert "11" not in "".join(said(generator, text)) and "[3]" not in "".join(said(generator, text))


def test_passages_without_a_sentence_leave_it_silent(generator):
    with pytest.raises(GeneratorSilent, match="no whole sentence"):
        said(generator, "# Contents")
