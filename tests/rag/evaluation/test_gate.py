import re

import numpy as np
import pytest

from rag.config import GateConfig
from rag.evaluation.gate import Circumstances, Decision, judge, refusal_loss
from rag.evaluation.report import EvaluationReport, QuestionResult, Refusals
from rag.evaluation.significance import Spread, look_confidence
from rag.evaluation.tables import report_rows, report_values
from rag.pairs.pair import Origin, QuestionType

CONFIG = GateConfig(resamples=1000)


def report(scores, origin=Origin.REAL, general=0.9, latency_ms=20.0, size=10**8, **measured):
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
    return EvaluationReport(
        evaluation_set="e", questions=questions, general_hit1=general, serving_bytes=size, **measured
    )


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
        ({"memory_bytes": 10**12}, "too much memory: 1,000,000,000,000 bytes"),
        (
            {"refusals": Refusals(asked=50, refused=35, answerable=100)},
            "it tells less well what nothing answers: refuses 70.0% of 50 such questions and 0.0% of others",
        ),
        ({"refusals": Refusals(asked=50, refused=45, answerable=100, wrongly=30)}, "and 30.0% of others, production"),
    ],
)
def test_a_gain_does_not_excuse_a_broken_floor(flaw, reason):
    sound = {"memory_bytes": 10**9, "refusals": Refusals(asked=50, refused=45)}
    assert judge(report(BETTER, **sound), report(OLD, **sound), CONFIG).decision is Decision.PROMOTE
    verdict = judge(report(BETTER, **sound | flaw), report(OLD, **sound), CONFIG)
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


def test_one_refusal_less_is_never_a_reason():
    few, fewer = (Refusals(asked=8, refused=n) for n in (8, 7))
    assert judge(report(BETTER, refusals=fewer), report(OLD, refusals=few), CONFIG).decision is Decision.PROMOTE


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_refusals_prove_no_loss(n):
    all_, none = (Refusals(asked=n, refused=refused, answerable=100) for refused in (n, 0))
    assert judge(report(BETTER, refusals=none), report(OLD, refusals=all_), CONFIG).decision is Decision.PROMOTE


def each_refused(*unanswerable, others=()):
    """Return refusals that tell of each question whether it was refused."""
    return Refusals(
        asked=len(unanswerable),
        refused=sum(unanswerable),
        answerable=len(others),
        wrongly=sum(others),
        unanswerable_refused={f"u{i}": bool(refused) for i, refused in enumerate(unanswerable)},
        others_refused={f"o{i}": bool(refused) for i, refused in enumerate(others)},
    )


USUAL = each_refused(*[1] * 36, *[0] * 4, others=[0] * 100)


@pytest.mark.parametrize(
    "kept",
    [
        each_refused(*[1] * 28, *[0] * 12, others=[0] * 100),
        each_refused(*[1] * 36, *[0] * 4, others=[0] * 85 + [1] * 15),
    ],
)
def test_a_loss_on_the_same_questions_is_proven_by_fewer_of_them(kept):
    apart = [each.model_copy(update={"unanswerable_refused": {}, "others_refused": {}}) for each in (USUAL, kept)]
    lost = refusal_loss(USUAL, kept, CONFIG.confidence)
    assert refusal_loss(*apart, CONFIG.confidence) < CONFIG.max_refusal_loss < lost
    verdict = judge(report(BETTER, refusals=kept), report(OLD, refusals=USUAL), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert f"a loss of at least {lost:.3f}, more than the 0.05 allowed" in verdict.reason


def test_what_is_lost_here_and_won_there_proves_little():
    kept = each_refused(*[0] * 10, *[1] * 30, others=[0] * 100)
    assert refusal_loss(USUAL, kept, CONFIG.confidence) < CONFIG.max_refusal_loss


def test_refusals_are_compared_on_the_questions_that_both_were_asked():
    kept = each_refused(*[1] * 36)
    assert refusal_loss(USUAL, kept, 0.5) == refusal_loss(kept, USUAL, 0.5) == 0


def test_a_loss_is_seldom_said_to_be_proven_where_there_is_none():
    rng, proven = np.random.default_rng(6), 0
    for _ in range(400):
        hard = rng.random(40)
        old, new = ((hard < rng.normal(0.8, 0.1, 40)).tolist() for _ in range(2))
        proven += refusal_loss(each_refused(*old), each_refused(*new), 0.95) > 0
    assert proven <= 0.05 * 400


def test_refusals_that_only_one_was_asked_for_do_not_count():
    refusals = Refusals(asked=50, refused=0)
    assert judge(report(BETTER, refusals=refusals), report(OLD), CONFIG).decision is Decision.PROMOTE


def test_a_gain_must_exceed_what_is_wanted():
    wanted = CONFIG.model_copy(update={"min_gain": 0.3})
    gain = judge(report(BETTER), report(OLD), CONFIG).gains["mrr@10"]
    assert 0 < gain.low < 0.3 < gain.high
    verdict = judge(report(BETTER), report(OLD), wanted)
    assert verdict.decision is Decision.KEEP
    assert "does not exceed the 0.3 wanted" in verdict.reason


def noisy(gain, n=80):
    """Return the scores of production, and of a candidate with a gain that so few questions do not prove."""
    rng = np.random.default_rng(5)
    old = rng.choice([0.0, 0.25, 0.5, 1.0], n)
    noise = rng.normal(0, 0.2, n)
    return old.tolist(), (old + noise - noise.mean() + gain).tolist()


def test_an_unproven_gain_says_how_many_questions_would_prove_it():
    old, new = noisy(0.02)
    verdict = judge(report(new), report(old), CONFIG)
    assert verdict.decision is Decision.KEEP
    said = re.search(
        r"a true gain of 0\.020 would be found 80% of the time with about ([\d,]+) questions", verdict.reason
    )
    assert said is not None
    needed = int(said[1].replace(",", ""))
    assert needed > 80
    smaller = judge(report(noisy(0.01)[1]), report(old), CONFIG).reason
    assert int(re.search(r"about ([\d,]+) questions", smaller)[1].replace(",", "")) > 3 * needed


@pytest.mark.parametrize("earlier", [0, 3])
def test_what_it_says_would_prove_a_gain_would_at_the_next_look(earlier):
    old, new = noisy(0.02)
    reason = judge(report(new), report(old), CONFIG, Circumstances(earlier_looks=earlier)).reason
    spread = Spread.of(np.subtract(new, old).tolist(), [f"d{i % 8}" for i in range(80)])
    needed = spread.questions_for(0.02, look_confidence(CONFIG.confidence, earlier + 1))
    assert int(re.search(r"about ([\d,]+) questions", reason)[1].replace(",", "")) == pytest.approx(needed, rel=0.05)


def test_two_documents_that_gained_alike_prove_nothing_and_say_so():
    def two(made):
        own = (q.model_copy(update={"document": f"d{i % 2}"}) for i, q in enumerate(made.questions))
        return made.model_copy(update={"questions": tuple(own)})

    verdict = judge(two(report([0.6] * 40)), two(report([0.5] * 40)), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert "no proven gain" in verdict.reason and "no question tells" not in verdict.reason


def test_no_gain_says_which_one_these_questions_would_show():
    old, new = noisy(-0.01)
    reason = judge(report(new), report(old), CONFIG).reason
    assert re.search(r"as many questions find a true gain of 0\.\d+ 80% of the time", reason)


def test_what_is_equal_on_every_question_says_so():
    assert "no question tells the two apart" in judge(report(OLD), report(OLD), CONFIG).reason


def test_questions_of_one_document_tell_nothing_of_others():
    def one(made):
        alone = tuple(question.model_copy(update={"document": "d"}) for question in made.questions)
        return made.model_copy(update={"questions": alone})

    verdict = judge(one(report(BETTER)), one(report(OLD)), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert "questions of so few documents tell nothing of others" in verdict.reason


def test_too_few_questions_may_need_more_than_the_least():
    old, new = noisy(0.02)
    reason = judge(report(new[:16]), report(old[:16]), CONFIG).reason
    assert int(re.search(r"at least ([\d,]+) are needed", reason)[1].replace(",", "")) >= 20


def test_each_more_candidate_is_judged_more_strictly():
    old, new = noisy(0.06)
    verdicts = [judge(report(new), report(old), CONFIG, Circumstances(earlier_looks=looks)) for looks in (0, 2, 30)]
    lows = [verdict.gains["mrr@10"].low for verdict in verdicts]
    assert lows[0] > lows[1] > lows[2]
    assert [verdict.decision for verdict in verdicts] == [Decision.PROMOTE, Decision.KEEP, Decision.KEEP]
    assert "(95% interval)" in verdicts[0].reason and "look" not in verdicts[0].reason
    assert "the 99.2% interval" in verdicts[1].reason and "look 3 at candidates for its place" in verdicts[1].reason
    assert "the 99.99% interval" in verdicts[2].reason


def test_a_production_that_many_candidates_are_tried_against_is_seldom_displaced():
    """Each of ten is no better, on the same questions; without a correction about one in five would lose."""
    rng, displaced = np.random.default_rng(3), 0
    for _ in range(40):
        old = rng.choice([0, 0.25, 0.5, 1], size=80)
        verdicts = [
            judge(report(rng.permutation(old)), report(old), CONFIG, Circumstances(earlier_looks=looks))
            for looks in range(10)
        ]
        displaced += any(verdict.decision is Decision.PROMOTE for verdict in verdicts)
    assert displaced <= 5  # 5% of 40, and what chance allows


def test_a_report_is_shown_by_origin_and_type():
    rows = report_rows(report(OLD))
    assert [row["questions"] for row in rows] == ["real, all", "real, factual"]
    assert rows[0]["mrr@10"] == "0.438"
    [first, second] = report_values(report(OLD))
    assert (first["origin"], first["question_type"], second["question_type"]) == ("real", None, "factual")
    assert str(first["n"]) == rows[0]["n"] and isinstance(first["n"], int)
    assert first["metrics"]["mrr@10"] == pytest.approx(0.4375, abs=5e-4)


def test_a_candidate_that_lost_documents_is_kept_out_however_well_it_ranks():
    verdict = judge(report(BETTER), report(OLD), CONFIG, Circumstances(missing=("map.pdf", "roll.md")))
    assert (verdict.decision, verdict.reason.split(",")[0]) == (
        Decision.KEEP,
        "documents are missing: 2 that production answers from",
    )
    verdict = judge(report(BETTER, left_out=20), report(OLD), CONFIG)
    assert verdict.decision is Decision.KEEP
    assert "cannot answer 20 of the 100 evaluation questions" in verdict.reason
