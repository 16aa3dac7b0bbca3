"""Questions to a real home: the bundled encoder, the extractive generator, and Groq's protocol on the loopback."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rag.answering.answer import Done, Piece, Question, Restarted, Retrieved, Turn
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.config import GeneratorKind
from rag.errors import NoGenerator, UnreadableDocument
from storage.tables import InteractionRow
from tests.groq_server import cuts, refuses, says
from tests.rag.answering.shop import engines_of

OPENS = "When does the bakery open?"


def interaction(space, id_):
    with space.database.reading() as session:
        return session.get(InteractionRow, id_)


def test_an_answer_quotes_the_documents_and_says_who_spoke_and_who_did_not(engine, space):
    answer = engine.ask(Question(text=OPENS))
    assert answer.text.startswith("The bakery opens at six in the morning on weekdays [1].")
    first = answer.citations[0]
    assert (first.number, first.document, first.page_no) == (1, "bakery.txt", 1)
    assert first.quote == "The bakery opens at six in the morning on weekdays (11)."
    assert answer.found and answer.support == 1.0
    assert answer.generator == "extractive"
    assert [one.generator for one in answer.silent] == ["groq"]
    assert "RAGLOOP_GROQ_API_KEY" in answer.silent[0].reason
    assert answer.release_id == space.registry.production("default").id


def test_a_stream_is_what_was_retrieved_then_pieces_then_the_answer(engine):
    first, *pieces, last = engine.stream(Question(text="How much does rye bread cost?", id="streamed"))
    assert isinstance(first, Retrieved) and first.id == "streamed"
    assert all(isinstance(piece, Piece) for piece in pieces) and pieces
    assert isinstance(last, Done)
    assert "4.20 crowns" in pieces[0].text
    assert last.answer.hits == first.hits
    assert {"retrieval", "first_piece", "generation", "total"} == last.answer.timings.keys()


def test_an_interaction_keeps_the_question_what_was_found_and_the_answer(engine, space):
    history = (Turn(role="user", content="I like bread."), Turn(role="assistant", content="Good."))
    answer = engine.ask(Question(text=OPENS, history=history, user_fingerprint="ann"))
    row = interaction(space, answer.id)
    assert (row.question, row.answer, row.user_fingerprint) == (OPENS, answer.text, "ann")
    assert (row.generator, row.found, row.cached, row.support) == ("extractive", True, False, 1.0)
    assert [one["chunk_id"] for one in row.retrieved] == [hit.chunk.chunk_id for hit in answer.hits]
    assert row.citations[0]["char_start"] == 0 and "quote" not in row.citations[0]
    assert "I like bread." in row.history
    assert row.timings["total"] >= row.timings["retrieval"]


def test_what_the_documents_do_not_say_is_said_so_and_costs_no_call(with_groq, groq, space):
    answer = with_groq.ask(Question(text="Who painted the Mona Lisa?"))
    assert (answer.found, answer.text, answer.citations) == (False, NOT_IN_DOCUMENTS, ())
    assert answer.generator is None
    assert answer.hits
    assert groq.requests == []
    assert interaction(space, answer.id).found is False


def test_a_model_that_finds_nothing_in_the_passages_is_believed(with_groq, groq):
    groq.faults.append(says(f"{NOT_IN_DOCUMENTS}"))
    answer = with_groq.ask(Question(text=OPENS))
    assert not answer.found and not answer.citations
    assert answer.generator.startswith("groq/")


def test_an_answer_that_no_passage_bears_out_is_not_given(with_groq, groq):
    groq.faults.append(says("The harbour master sells tickets in Oslo [1]. He takes 99 kroner."))
    answer = with_groq.ask(Question(text=OPENS))
    assert (answer.found, answer.text) == (False, NOT_IN_DOCUMENTS)


def test_a_model_is_cited_by_the_sentence_and_the_invented_is_left_without(with_groq, groq):
    groq.faults.append(says("The bakery opens at six in the morning [1]. It has 500 employees [1]."))
    answer = with_groq.ask(Question(text=OPENS))
    opens, invented = answer.statements
    assert opens.citations == (1,) and opens.support > 0.5
    assert invented.citations == () and invented.support == 0
    assert answer.text == "The bakery opens at six in the morning [1]. It has 500 employees."


@pytest.mark.parametrize(
    "said",
    [
        "The ferry leaves every 90 minutes [3]. The bakery opens at six in the morning.\n\n- It closes at noon [1].\n",
        "It opens at six.[1] [2] Rye bread costs 4.20 crowns, as far as I know [9].",
        "The documents do not say.",
        "The documents do not say. Ask the harbour master.",
        "The harbour master sells tickets in Oslo [1].",
    ],
)
def test_what_is_streamed_since_the_last_restart_is_the_answer_with_its_marks(with_groq, groq, said):
    groq.faults.append(says(said))
    events = list(with_groq.stream(Question(text=OPENS)))
    restarts = [place for place, event in enumerate(events) if isinstance(event, Restarted)]
    heard = "".join(event.text for event in events[max(restarts, default=0) :] if isinstance(event, Piece))
    assert heard == events[-1].answer.text
    assert events[-1].answer.generator.startswith("groq/")


def test_a_stream_that_breaks_is_finished_by_the_next_and_only_its_words_are_kept(with_groq, groq, space):
    groq.faults.append(cuts("The bakery opens at"))
    events = list(with_groq.stream(Question(text=OPENS)))
    broken = next(place for place, event in enumerate(events) if isinstance(event, Restarted))
    assert events[broken - 1].text == "The bakery opens at"
    answer = events[-1].answer
    assert answer.generator == "extractive"
    assert answer.text.startswith("The bakery opens at six")
    assert interaction(space, answer.id).silent[0]["generator"].startswith("groq/")


def test_a_reader_who_goes_away_leaves_an_interaction_as_far_as_it_got(with_groq, groq, space):
    groq.faults.append(says("The bakery opens at six [1]. " * 20))
    stream = with_groq.stream(Question(text=OPENS, id="left"))
    assert isinstance(next(stream), Retrieved)
    piece = next(stream)
    stream.close()
    row = interaction(space, "left")
    assert row.answer == piece.text
    assert (row.found, row.support, row.citations) == (None, None, [])
    assert row.generator == piece.generator and row.retrieved


def test_the_same_question_again_comes_from_the_cache_under_an_id_of_its_own(with_groq, groq, space):
    groq.faults.append(says("The bakery opens at six in the morning [1]."))
    first = with_groq.ask(Question(text=OPENS))
    again = with_groq.ask(Question(text="  when does the  BAKERY open?"))
    assert len(groq.requests) == 1
    assert (again.text, again.cached, first.cached) == (first.text, True, False)
    assert again.id != first.id
    assert interaction(space, again.id).cached is True


def test_what_a_stand_in_answered_is_asked_anew(with_groq, groq):
    groq.faults.append(refuses(500, "down"))
    assert with_groq.ask(Question(text=OPENS)).generator == "extractive"
    groq.faults.append(says("The bakery opens at six in the morning [1]."))
    assert with_groq.ask(Question(text=OPENS)).generator.startswith("groq/")


def test_nobody_left_to_answer_is_an_error_that_is_kept_as_an_interaction(space, groq):
    groq.faults.append(refuses(401, "bad key"))
    with engines_of(space, groq, generators=(GeneratorKind.GROQ,)) as engines:
        with pytest.raises(NoGenerator, match="groq"):
            engines.of("default").ask(Question(text=OPENS, id="unanswered"))
    row = interaction(space, "unanswered")
    assert (row.answer, row.generator, row.found) == (None, None, None)
    assert row.retrieved


def test_an_answer_comes_from_the_documents_that_were_named_alone(engine):
    answer = engine.ask(Question(text="What leaves for the island?", documents=("cheese.txt",)))
    assert {hit.chunk.document for hit in answer.hits} == {"cheese.txt"}
    with pytest.raises(UnreadableDocument, match=r"nowhere\.txt"):
        engine.ask(Question(text=OPENS, documents=("nowhere.txt",)))


def test_a_follow_up_is_searched_with_the_question_before_it(engine):
    before = Turn(role="user", content="When does the ferry to the island leave?")
    answer = engine.ask(Question(text="Do bicycles travel on it free of charge?", history=(before,)))
    assert answer.citations[0].document == "boats.txt"


def test_a_follow_up_is_weighed_by_what_it_stands_for(engine):
    before = Turn(role="user", content="Does the ferry to the island leave often?")
    answer = engine.ask(Question(text="And what travels free of charge on it?", history=(before,)))
    assert answer.found and answer.citations[0].document == "boats.txt"
    alone = engine.ask(Question(text="And what travels free of charge on it?"))
    assert answer.evidence >= alone.evidence


def test_questions_asked_at_once_are_answered_as_one_by_one(space):
    texts = [OPENS, "When is cheese sold?", "How often does the ferry leave?", "What does rye bread cost?"] * 3
    with engines_of(space, cache_entries=0) as engines:
        alone = [engines.of("default").ask(Question(text=text)).text for text in texts[:4]]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(lambda text: engines.of("default").ask(Question(text=text)).text, texts))
    assert together == alone * 3
