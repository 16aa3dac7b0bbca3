from rag.retrieval.query import HISTORY_WEIGHT, Query


def test_a_first_question_is_searched_as_it_is():
    assert Query(id="q", question="Who wrote it?").weighted_texts == (("Who wrote it?", 1.0),)


def test_of_what_was_asked_before_the_last_question_counts_and_less_than_the_follow_up():
    query = Query(id="q", question="And when?", history=("Who was Brahms?", "Who wrote Finlandia?"))
    assert query.weighted_texts == (("And when?", 1.0), ("Who wrote Finlandia?", HISTORY_WEIGHT))
    assert 0 < HISTORY_WEIGHT < 1
