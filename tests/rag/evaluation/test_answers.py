"""What an answer is worth: by its citations, its words, and whether it was given at all."""

import pytest

from rag.answering.answer import Answer, Citation, Statement
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.evaluation.answers import (
    CITATION_PRECISION,
    CITATION_RECALL,
    FIRST_CITATION,
    REFUSED,
    AnswersReport,
    AskedQuestion,
    answer_results,
    citation_metrics,
    given_answers,
)
from rag.evaluation.sample import EvaluationSample
from rag.evaluation.string_metrics import PRESENCE, RECALL
from rag.evaluation.way_report import F1, SUPPORT
from rag.pairs.pair import Origin
from rag.retrieval.retriever import Hit
from tests.chunks import chunk_of
from tests.query_pairs import real_pair

TEXT = "The pump has a warranty of three years."
CHUNK = chunk_of(TEXT, doc_id="a", index=0, document="pump.pdf")
PAIR = real_pair("How long?", id="q", answer="three years", doc_id="a", answer_start=27, answer_end=38)
NOTHING = AskedQuestion(sample=EvaluationSample(id="u", question="Who won?"), answerable=False)


def cited(*spans):
    return tuple(
        Citation(
            number=n,
            chunk_id=f"{doc}:0",
            doc_id=doc,
            document=doc,
            page_no=1,
            char_start=start,
            char_end=end,
            quote="x",
        )
        for n, (doc, start, end) in enumerate(spans, 1)
    )


def answered(text=f"{TEXT} [1]", citations=(("a", 0, 39),), **fields):
    refused = text == NOT_IN_DOCUMENTS
    return Answer(
        id="i",
        collection="c",
        release_id=1,
        question="How long?",
        text=text,
        statements=() if refused else (Statement(text=TEXT, citations=(1,), support=0.75),),
        citations=() if refused else cited(*citations),
        found=not refused,
        support=0.0 if refused else 0.75,
        evidence=0.5,
        generator=None if refused else "extractive",
        hits=(Hit(chunk=CHUNK, passage=TEXT, rank=1, score=1.0),),
        timings={"retrieval": 0.01, "generation": 0.02, "total": 0.04},
        **fields,
    )


def results(*asked_and_answers):
    questions, answers = zip(*asked_and_answers, strict=True)
    return answer_results(questions, answers, given_answers(questions, answers, [CHUNK]))


@pytest.mark.parametrize(
    ("spans", "precision", "recall", "first"),
    [
        ([("a", 30, 39)], 1, 1, 1),
        ([("a", 0, 27), ("a", 37, 90)], 0.5, 1, 0),  # the first ends where the evidence begins
        ([("a", 38, 90)], 0, 0, 0),
        ([("b", 27, 38), ("a", 27, 38), ("a", 0, 90)], 0.6667, 1, 0),
        ([], None, 0, 0),
    ],
)
def test_a_citation_is_right_where_it_overlaps_the_evidence(spans, precision, recall, first):
    expected = {CITATION_PRECISION: precision, CITATION_RECALL: recall, FIRST_CITATION: first}
    assert citation_metrics(cited(*spans), PAIR) == expected


def test_a_comparison_wants_both_places_cited():
    both = PAIR.model_copy(update={"second": ("b", 0, 10)})
    assert citation_metrics(cited(("b", 5, 20)), both)[CITATION_RECALL] == 0.5
    assert citation_metrics(cited(("b", 5, 20), ("a", 0, 90)), both)[CITATION_RECALL] == 1


def test_a_right_answer_is_worth_what_its_parts_are():
    (result,) = results((AskedQuestion.of_pair(PAIR), answered()))
    assert result.metrics | {F1: None} == {
        SUPPORT: 0.75,
        CITATION_PRECISION: 1,
        CITATION_RECALL: 1,
        FIRST_CITATION: 1,
        F1: None,
        REFUSED: 0,
        "non_llm_context_precision_with_reference": 1,
        RECALL: 1,
        "non_llm_string_similarity": result.metrics["non_llm_string_similarity"],
        PRESENCE: 1,
    }
    assert 0 < result.metrics[F1] < 1
    assert result.latency_ms == {"retrieval": 10, "generation": 20, "total": 40}
    assert (result.origin, result.generator, result.refused) == (Origin.REAL, "extractive", False)


def test_a_refusal_of_what_can_be_answered_has_neither_words_nor_citations():
    (result,) = results((AskedQuestion.of_pair(PAIR), answered(NOT_IN_DOCUMENTS)))
    assert result.refused
    assert {name: result.metrics[name] for name in (SUPPORT, CITATION_PRECISION, CITATION_RECALL, F1, REFUSED)} == {
        SUPPORT: None,
        CITATION_PRECISION: None,
        CITATION_RECALL: 0,
        F1: 0,
        REFUSED: 1,
    }


def test_a_question_that_nobody_could_answer_is_worth_nothing_and_is_no_refusal():
    rows = results((AskedQuestion.of_pair(PAIR), None), (NOTHING, None))
    assert [(row.unanswered, row.refused, row.generator, row.latency_ms) for row in rows] == [
        (True, False, None, {})
    ] * 2
    own = rows[0].metrics
    assert (own[F1], own[REFUSED], own[CITATION_RECALL], own[SUPPORT], own[RECALL]) == (0, 0, 0, None, None)
    fields = {"memory_bytes": 1, "card_bytes": None, "bills": {}, "cost_usd": 0.0, "left_out": 0}
    report = AnswersReport(evaluation_set="s", answers=rows, **fields)
    assert (report.unanswered, report.refusals.refused) == (2, 0)


def test_another_s_question_has_no_value_where_nothing_is_known_of_it():
    foreign = AskedQuestion(sample=EvaluationSample(id="f", question="How long?"))
    (result,) = results((foreign, answered()))
    assert (result.metrics[F1], result.metrics[CITATION_RECALL], result.metrics[SUPPORT]) == (None, None, 0.75)


def test_what_nothing_answers_counts_for_refusals_alone():
    rows = results(
        (AskedQuestion.of_pair(PAIR), answered()),
        (NOTHING, answered(NOT_IN_DOCUMENTS)),
        (NOTHING.model_copy(update={"sample": EvaluationSample(id="v", question="Who?")}), answered()),
    )
    fields = {"memory_bytes": 1, "card_bytes": None, "bills": {}, "cost_usd": 0.0, "left_out": 0}
    report = AnswersReport(evaluation_set="s", answers=rows, **fields)
    assert (report.refusals.asked, report.refusals.refused) == (2, 1)
    assert report.means()[SUPPORT] == 0.75 and len(report.of()) == 1
    assert report.generators == {"extractive": 2}
    assert report.latency_ms("total", 50) == 40 and report.latency_ms("memory", 50) == 0
    assert report.means(Origin.SYNTHETIC) == {}


def test_what_is_kept_of_an_answer_has_no_marks_and_names_what_was_found():
    (given,) = given_answers([AskedQuestion.of_pair(PAIR)], [answered()], [CHUNK])
    assert given.sample.answer == TEXT
    assert given.sample.contexts == given.sample.reference_contexts == (TEXT,)
