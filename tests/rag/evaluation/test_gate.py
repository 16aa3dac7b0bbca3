import numpy as np
import pytest

from rag.config import GateConfig
from rag.evaluation.gate import Decision, judge
from rag.evaluation.report import EvaluationReport, QuestionResult
from rag.evaluation.tables import comparison_rows, report_rows, verdict_markdown
from rag.pairs.pair import Origin, QuestionType

CONFIG = GateConfig(resamples=1000)


def report(scores, origin=Origin.REAL, general=0.9, latency_ms=20.0, size=10**8):
    questions = tuple(
        QuestionResult(
            id=f"{origin}{i}",
            document=f"d{i % 8}",
            origin=origin,
            question_type=QuestionType.FACTUAL,
            metrics={"hit@1": float(s == 1), "hit@5": float(s > 0.1), "mrr@10": float(s)},
            latency_ms=latency_ms,
        )
        for i, s in enumerate(scores)
    )
    return EvaluationReport(evaluation_set="e", questions=questions, general_hit1=general, serving_bytes=size)


OLD = [0.5, 0.25, 1.0, 0.0] * 20
BETTER = [1.0, 0.5, 1.0, 0.5] * 20


def test_a_proven_gain_is_promoted_and_says_so():
    verdict = judge(report(BETTER), report(OLD), CONFIG)
    assert verdict.decision is Decision.PROMOTE
    assert "mrr@10 rose from 0.438 to 0.750" in verdict.reason
    assert "80 real questions of 8 documents" in verdict.reason
    assert verdict.gains["mrr@10"].low > 0


def test_equal_is_not_better():
    verdict = judge(report(OLD), report(OLD), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert "no proven gain" in verdict.reason


def test_worse_is_kept_out():
    verdict = judge(report(OLD), report(BETTER), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert "fell" in verdict.reason


def test_too_few_questions_cannot_tell():
    verdict = judge(report(BETTER[:12]), report(OLD[:12]), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert "too few questions to tell: 12, at least 20" in verdict.reason


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"general": 0.8}, "general knowledge was forgotten"),
        ({"latency_ms": 5000.0}, "too slow"),
        ({"size": 10**12}, "too large"),
    ],
)
def test_a_gain_does_not_excuse_a_broken_floor(flaw, reason):
    verdict = judge(report(BETTER, **flaw), report(OLD), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert reason in verdict.reason


def test_real_questions_decide_over_synthetic_ones():
    synthetic = report([0.0] * 200, Origin.SYNTHETIC).questions
    candidate = report(BETTER).model_copy(update={"questions": report(BETTER).questions + synthetic})
    production = report(OLD).model_copy(update={"questions": report(OLD).questions + synthetic})
    assert judge(candidate, production, CONFIG).n_questions == 80


def test_without_real_questions_synthetic_ones_decide():
    verdict = judge(report(BETTER, Origin.SYNTHETIC), report(OLD, Origin.SYNTHETIC), CONFIG)
    assert verdict.decision is Decision.PROMOTE
    assert "synthetic" in verdict.reason


def test_only_questions_that_both_answered_count():
    shorter = report(OLD).model_copy(update={"questions": report(OLD).questions[:40]})
    assert judge(report(BETTER), shorter, CONFIG).n_questions == 40


def test_no_shared_question_is_keep():
    empty = report(OLD).model_copy(update={"questions": ()})
    assert judge(report(BETTER), empty, CONFIG).decision is Decision.KEEP


def test_noise_is_seldom_promoted():
    rng = np.random.default_rng(8)
    promoted = 0
    for _ in range(60):
        scores = rng.choice([0, 0.25, 0.5, 1], size=(2, 80))
        promoted += judge(report(scores[0]), report(scores[1]), CONFIG).decision is Decision.PROMOTE
    assert promoted <= 4


def test_the_verdict_reads_as_a_page():
    verdict = judge(report(BETTER), report(OLD), CONFIG)
    page = verdict_markdown(verdict, 7)
    assert page.startswith("# Release 7: promote")
    assert page.count("\n| ") == len(comparison_rows(verdict)) + 2


def test_a_report_is_shown_by_origin_and_type():
    rows = report_rows(report(OLD))
    assert [row["questions"] for row in rows] == ["real, all", "real, factual"]
    assert rows[0]["mrr@10"] == "0.438"
