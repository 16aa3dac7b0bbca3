"""Answers as rows and facts for people, and as numbers for programs."""

import json

import pytest

from rag.evaluation.answer_tables import answer_rows, answering_facts, answering_rows, answers_summary
from rag.evaluation.answers import AnswerResult, AnswersReport
from rag.evaluation.judge import JudgedAnswer, JudgedReport, Judgement
from rag.llm.bill import Bill
from rag.pairs.pair import Origin, QuestionType


def result(id_, support, origin=Origin.REAL, answerable=True, refused=False, generator="extractive"):
    return AnswerResult(
        id=id_,
        document="a.md",
        origin=origin if answerable else None,
        question_type=QuestionType.FACTUAL if answerable else None,
        answerable=answerable,
        refused=refused,
        generator=generator,
        metrics={"support": support} if answerable else {},
        latency_ms={"retrieval": 10, "total": 40},
    )


@pytest.fixture
def report():
    """Two answers to real questions, one to a synthetic one, and two to what nothing answers."""
    answers = (
        result("a", 1.0),
        result("b", None, refused=True, generator=None),
        result("c", 0.5, Origin.SYNTHETIC),
        result("d", None, answerable=False, refused=True),
        result("e", None, answerable=False),
    )
    return AnswersReport(
        evaluation_set="s", answers=answers, left_out=3, memory_bytes=2**21, card_bytes=None, bills={}, cost_usd=None
    )


@pytest.fixture
def judged():
    """What a judge said of two of them, before it went away."""
    sure, unsure = Judgement(values=(1, 1)), Judgement(values=(0, 1))
    answers = (
        JudgedAnswer(id="a", judgements={"faithfulness": sure}),
        JudgedAnswer(id="b", judgements={"faithfulness": Judgement(values=(), missing=2, reason="gone")}),
        JudgedAnswer(id="c", judgements={"faithfulness": unsure}),
    )
    bill = Bill(prompts=6, requests=8, answered=4)
    return JudgedReport(model="j", repeats=2, answers=answers, bill=bill, cost_usd=0.5, stopped="the key is refused")


def test_each_metric_has_its_mean_over_each_origin_and_over_its_types_and_none_over_both(report):
    (row,) = answer_rows(report)
    assert row == {
        "metric": "support",
        "real (2)": "1.000",
        "real, factual (2)": "1.000",
        "synthetic (1)": "0.500",
        "synthetic, factual (1)": "0.500",
        "no value": "1",
    }


def test_questions_whose_origin_nobody_has_told_are_taken_together(report):
    told_nothing = {"origin": None, "question_type": None}
    answers = tuple(answer.model_copy(update=told_nothing) for answer in report.answers)
    (row,) = answer_rows(report.model_copy(update={"answers": answers}))
    assert row == {"metric": "support", "all (3)": "0.750", "no value": "1"}


def test_what_a_judge_says_follows_with_its_spread(report, judged):
    own, by_judge = answer_rows(report, judged)
    assert own.keys() == by_judge.keys() and own["spread"] == ""
    assert (by_judge["real (2)"], by_judge["synthetic (1)"], by_judge["no value"]) == ("1.000", "0.500", "1")
    assert by_judge["spread"] == "0.500"  # the root of the mean of 0 and 1/2


def test_what_it_took_is_told_and_what_is_not_known_too(report, judged):
    facts = answering_facts(report, judged)
    assert facts["answered by"] == "extractive (4)"
    assert facts["unanswerable"] == "1 of 2 refused (50%)"
    assert facts["memory"] == "2 MB at most" and "card" not in facts
    assert facts["cost"].startswith("not known") and facts["judge's cost"] == "0.5000 USD"
    assert facts["left out"].startswith("3 questions")
    assert facts["not all judged"].startswith("the key is refused")
    assert [row["step"] for row in answering_rows(report)] == ["retrieval", "generation", "total"]


def test_what_nobody_could_answer_is_counted_apart(report):
    assert "unanswered" not in answering_facts(report)
    lost = report.answers[0].model_copy(update={"unanswered": True, "generator": None})
    short = report.model_copy(update={"answers": (lost, *report.answers[1:])})
    assert answering_facts(short)["unanswered"] == "1 questions that nobody could answer"
    assert answers_summary(short)["unanswered"] == 1


def test_programs_get_the_same_as_numbers(report, judged):
    summary = json.loads(json.dumps(answers_summary(report, judged)))
    refusals = {"asked": 2, "refused": 1, "answerable": 3, "wrongly": 1}
    assert summary["questions"] == 3 and summary["unanswerable"] == refusals
    groups = {(row["origin"], row["question_type"]): (row["n"], row["metrics"]) for row in summary["rows"]}
    assert groups[("real", None)] == groups[("real", "factual")] == (2, {"support": 1.0, "faithfulness": 1.0})
    assert groups[("synthetic", None)] == (1, {"support": 0.5, "faithfulness": 0.5})
    assert len(groups) == 4 and "metrics" not in summary | summary["judged"]
    assert summary["judged"]["missing"] == {"faithfulness": 1} and summary["judged"]["stopped"]
    assert answers_summary(report)["judged"] is None
