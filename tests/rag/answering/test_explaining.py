"""Why a question is answered as it is: told by the engine that answers it, from a real home."""

import pytest
from sqlmodel import func, select

from rag.answering.abstention import ThresholdOf
from rag.answering.answer import Question, Turn, Way
from rag.answering.explaining import explain
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.config import GeneratorKind
from rag.errors import UnreadableDocument
from storage.tables import InteractionRow
from tests.groq_server import cuts, refuses, says
from tests.rag.answering.shop import engines_of

OPENS = "When does the bakery open?"


def n_interactions(space):
    with space.database.reading() as session:
        return session.exec(select(func.count()).select_from(InteractionRow)).one()


def test_an_answer_is_told_with_its_passages_and_who_did_not_speak(engine, space):
    answer = engine.ask(Question(text=OPENS))
    kept = n_interactions(space)
    told = explain(engine, Question(text=OPENS))
    assert told.diagnosis.startswith("answered from [1] bakery.txt, page 1 by extractive; groq did not answer")
    assert "RAGLOOP_GROQ_API_KEY" in told.diagnosis
    assert (told.text, told.found, told.way) == (answer.text, True, Way.RAG)
    assert told.statements == answer.statements
    assert [each.generator for each in told.heard] == ["groq", "extractive"]
    given = sorted((seen for seen in told.passages if seen.number), key=lambda seen: seen.number)
    assert [seen.chunk_id for seen in given] == [hit.chunk.chunk_id for hit in answer.hits]
    assert [seen.final.score for seen in given] == pytest.approx([hit.score for hit in answer.hits], abs=1e-4)
    assert given[0].cited and given[0].words.rank == given[0].meaning.rank == 1 and given[0].reranked is None
    assert (told.weight.evidence, told.weight.enough) == (answer.evidence, True)
    assert told.weight.evidence == pytest.approx((told.weight.words + told.weight.cosine) / 2, abs=1e-3)
    assert (told.release_id, told.generators) == (answer.release_id, ("extractive",))
    assert n_interactions(space) == kept


def test_words_are_told_by_how_much_they_tell_and_those_that_are_nowhere(engine):
    told = explain(engine, Question(text="Does the island bakery grant a sabbatical?"))
    weights = {word.word: word.weight for word in told.words}
    assert [word.word for word in told.words if word.common] == ["does"]
    assert {word.word: word.passages for word in told.words if not word.common} == {
        "sabbatical": 0,
        "grant": 0,
        "bakery": 1,
        "island": 2,
    }
    assert weights["island"] < weights["bakery"]
    assert set(told.missing) == {"sabbatical", "grant"}


def test_what_the_documents_have_no_word_for_is_to_be_documented(engine):
    told = explain(engine, Question(text="Who is granted a sabbatical?"))
    assert not told.found and told.text == NOT_IN_DOCUMENTS
    assert "hold no passage with 'granted' and 'sabbatical': document it" in told.diagnosis
    assert (told.heard, told.statements) == ((), ())
    assert (told.weight.threshold_from, told.weight.enough) == (ThresholdOf.PRIOR, False)


def test_evidence_under_a_threshold_that_was_set_says_what_is_asked_and_where(space):
    with engines_of(space, evidence_threshold=0.99) as engines:
        told = explain(engines.of("default"), Question(text=OPENS))
    assert told.weight.threshold_from is ThresholdOf.CONFIG
    assert told.diagnosis.startswith(
        f"the best passage (bakery.txt, page 1) bears on it only by {told.weight.evidence:.2f}"
    )
    assert "0.99 is asked (configured)" in told.diagnosis and "lower answering.evidence_threshold" in told.diagnosis


def test_a_question_without_a_telling_word_says_so(engine):
    assert "no word that tells what it is about" in explain(engine, Question(text="What about it?")).diagnosis


def test_naming_the_wrong_document_is_told_with_the_right_one(space):
    with engines_of(space, evidence_threshold=0.5) as engines:
        told = explain(engines.of("default"), Question(text=OPENS, documents=("cheese.txt",)))
    assert told.restriction.documents == ("cheese.txt",)
    assert (told.restriction.looked_in, told.restriction.left_out) == (1, 2)
    assert told.restriction.elsewhere == "bakery.txt"
    assert {seen.document for seen in told.passages} == {"cheese.txt"}
    assert "bakery.txt does by" in told.diagnosis and "ask without naming documents" in told.diagnosis


def test_a_document_that_is_not_there_is_refused(engine):
    with pytest.raises(UnreadableDocument, match=r"nowhere\.txt"):
        explain(engine, Question(text=OPENS, documents=("nowhere.txt",)))


def test_a_follow_up_is_told_as_it_was_searched(engine):
    before = Turn(role="user", content="When does the ferry to the island leave?")
    told = explain(engine, Question(text="Do bicycles travel on it free of charge?", history=(before,)))
    assert told.searched.standing.startswith("Do bicycles travel on the island")
    (own, weight), (earlier, less) = told.searched.texts.items()
    assert (own, earlier, weight) == ("Do bicycles travel on it free of charge?", before.content, 1.0)
    assert less < weight


def test_a_model_that_finds_nothing_in_the_passages_is_named(with_groq, groq):
    groq.faults.append(says(NOT_IN_DOCUMENTS))
    told = explain(with_groq, Question(text=OPENS))
    assert not told.found and told.heard[-1].said == NOT_IN_DOCUMENTS
    assert f"of {told.heard[-1].generator}: it finds no answer in them" in told.diagnosis


def test_what_no_passage_bears_out_is_shown_though_it_was_not_given(with_groq, groq):
    groq.faults.append(says("The harbour master sells tickets in Oslo [1]. He takes 99 kroner."))
    told = explain(with_groq, Question(text=OPENS))
    assert not told.found and told.text == NOT_IN_DOCUMENTS
    assert [statement.citations for statement in told.statements] == [(), ()]
    assert "Oslo" in told.heard[-1].said
    assert "do not bear out what it said" in told.diagnosis


def test_a_statement_that_nothing_bears_out_is_counted(with_groq, groq):
    groq.faults.append(says("The bakery opens at six in the morning [1]. It has 500 employees [1]."))
    told = explain(with_groq, Question(text=OPENS))
    assert told.found and "nothing bears out 1 of its 2 statements" in told.diagnosis


def test_what_a_model_said_before_it_broke_off_is_shown(with_groq, groq):
    groq.faults.append(cuts("The bakery opens at"))
    broken, last = explain(with_groq, Question(text=OPENS)).heard
    assert (broken.said, last.generator, last.reason) == ("The bakery opens at", "extractive", None)
    assert broken.generator.startswith("groq/") and broken.reason


def test_that_nobody_could_answer_is_an_explanation_too(space, groq):
    groq.faults.append(refuses(401, "bad key"))
    with engines_of(space, groq, generators=(GeneratorKind.GROQ,)) as engines:
        told = explain(engines.of("default"), Question(text=OPENS))
    assert (told.text, told.found, told.way) == (None, False, None)
    assert told.diagnosis.startswith("passages were found, but nobody could answer (groq/")
    assert told.passages[0].document == "bakery.txt"


def test_the_cache_is_told_passed_by_and_left_as_it_was(with_groq, groq):
    groq.faults += [says("It opens at six in the morning on weekdays [1]."), says("The bakery opens at six [1].")]
    assert explain(with_groq, Question(text=OPENS)).cached is None
    first = with_groq.ask(Question(text=OPENS))
    assert len(groq.requests) == 2 and not first.cached
    groq.faults.append(says("The bakery closes at noon [1]."))
    told = explain(with_groq, Question(text=OPENS))
    assert len(groq.requests) == 3
    assert told.cached == first.text and "noon" in told.text
    assert with_groq.ask(Question(text=OPENS)).text == first.text


def test_a_passage_bears_the_numbers_that_the_answer_gives_it_and_what_is_cited_of_it(space, groq):
    groq.faults.append(says("The bakery opens at six in the morning [2]. Bicycles travel free of charge [1]."))
    with engines_of(space, groq, evidence_threshold=0.05) as engines:
        asked = Question(text="When does the bakery open, and do bicycles travel free of charge?")
        told = explain(engines.of("default"), asked)
    cited = {seen.document: seen for seen in told.passages if seen.cited}
    by_text = {each.text: each.citations for each in told.statements}
    assert {seen.number for seen in cited.values()} == {1, 2}
    for text, document in (("Bicycles", "boats.txt"), ("The bakery", "bakery.txt")):
        (numbers,) = (numbers for said, numbers in by_text.items() if said.startswith(text))
        assert cited[document].citations == numbers
        assert f"[{numbers[0]}] {document}" in told.diagnosis
    assert cited["boats.txt"].passage == "Bicycles travel free of charge on the lower deck."
    assert any(seen.number != seen.citations[0] for seen in cited.values())


def test_an_answer_for_a_word_that_no_passage_holds_may_be_beside_the_point(engine):
    told = explain(engine, Question(text="When does the bakery in Oslo open?"))
    assert told.found and "no passage holds 'oslo': if the answer is beside the point" in told.diagnosis
