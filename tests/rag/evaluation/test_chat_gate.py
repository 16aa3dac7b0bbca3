import numpy as np
import pytest

from rag.answering.answer import Way
from rag.config import ChatGateConfig
from rag.evaluation.asked import Group
from rag.evaluation.chat_gate import ChatReports, judge_chat
from rag.evaluation.gate import Decision
from rag.evaluation.pictures import comparison_picture, history_picture, ways_picture
from rag.evaluation.tables import comparison_rows, cost_rows, cost_values, way_rows, way_values
from rag.evaluation.way_report import F1, HONEST, AnsweredQuestion, WayReport

CONFIG = ChatGateConfig(resamples=1000)
ASKED = [Group.TRAINED] * 60 + [Group.UNTRAINED] * 20 + [Group.UNANSWERABLE] * 20


def report(scores, made_up=0, way="routed", latency_ms=90.0, asked=ASKED):
    """A report on these scores, of which the first so many, or those at these places, are made up."""
    inventions = range(made_up) if isinstance(made_up, int) else made_up
    answers = tuple(
        AnsweredQuestion(
            id=str(place),
            group=group,
            document="" if group is Group.UNANSWERABLE else f"d{place % 9}",
            question="q",
            expected="e",
            said="s",
            way=Way.CLOSED_BOOK if place % 4 == 0 else Way.RAG,
            f1=score,
            exact=float(score == 1),
            support=score,
            made_up=place in inventions,
            latency_ms=latency_ms,
        )
        for place, (group, score) in enumerate(zip(asked, scores, strict=True))
    )
    sizes = {"memory_bytes": 3 * 2**20, "serving_bytes": 2**20, "card_bytes": None}
    return WayReport(way=way, evaluation_set="e", answers=answers, **sizes)


OLD = [0.5] * 60 + [0.6] * 20 + [1.0] * 20
BETTER = [0.8] * 60 + [0.6] * 20 + [1.0] * 20


def judged(candidate, production, memory=None, production_memory=None, trusted=True, earlier_looks=0):
    memory = memory or report(OLD, way="closed-book")
    reports = ChatReports(
        candidate=candidate,
        production=production,
        candidate_memory=memory,
        production_memory=production_memory,
        trusted=trusted,
    )
    return judge_chat(reports, CONFIG, earlier_looks)


def test_better_answers_that_make_up_no_more_are_promoted_and_it_says_so():
    verdict = judged(report(BETTER, made_up=5), report(OLD, made_up=5))
    assert verdict.decision is Decision.PROMOTE
    assert "token F1 rose from 0.700 to 0.800" in verdict.reason
    assert "on 100 questions of 3 kinds and 9 documents" in verdict.reason
    assert verdict.gains[F1].low > 0


def test_each_candidate_for_the_same_place_must_show_more():
    first, fifth = (judged(report(BETTER), report(OLD), earlier_looks=n) for n in (0, 4))
    assert first.decision is Decision.PROMOTE and first.earlier_looks == 0 and "look" not in first.reason
    assert fifth.decision is Decision.KEEP and fifth.earlier_looks == 4
    assert "the 99.67% interval of the paired token F1 change" in fifth.reason
    assert fifth.reason.endswith(", look 5 at candidates for its place")


def test_inventions_are_no_harder_to_prove_at_a_later_look():
    asked, some = [Group.TRAINED] * 900, [0, 9, 18, 1, 10, 2, 3, 4, 5, 6, 7]
    for earlier_looks in (0, 30):
        verdict = judged(
            report([0.8] * 900, some, asked=asked), report([0.5] * 900, asked=asked), None, None, True, earlier_looks
        )
        assert "it makes up more: paired change" in verdict.reason
    assert verdict.gains[HONEST].high >= 0


def test_each_group_counts_alike_however_many_questions_it_has():
    verdict = judged(report(BETTER), report(OLD))
    assert verdict.gains[F1].mean == pytest.approx(0.1) == verdict.after[F1] - verdict.before[F1]


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ({"candidate": report(OLD)}, "no proven gain"),
        ({"candidate": report(OLD), "production": report(BETTER)}, "token F1 fell"),
        ({"candidate": report(BETTER, made_up=8)}, "it makes up more: 4.4% of its answers against 0.0%"),
        (
            {"candidate": report(BETTER, latency_ms=2500)},
            "too slow: p95 2500 ms to a whole answer, 2000 allowed, 90 in",
        ),
        (
            {"candidate": report(BETTER, latency_ms=2500), "production": report(OLD, latency_ms=2400)},
            "too slow: p95 2500 ms to a whole answer, 2000 allowed, 2400 in production",
        ),
        ({"trusted": False}, "never trusted"),
        (
            {"memory": report(OLD, made_up=30), "production_memory": report(OLD, made_up=12)},
            "it makes up more: 16.7% of its answers from memory alone against 6.7%",
        ),
    ],
)
def test_all_else_keeps_it_out(reports, reason):
    verdict = judged(**{"candidate": report(BETTER), "production": report(OLD)} | reports)
    assert verdict.decision is Decision.KEEP
    assert reason in verdict.reason


def test_better_answers_to_what_was_taught_make_no_amends_for_inventions():
    """In the mean of all groups, fewer inventions on what was taught hide those on what no document says."""
    worse = [0.9] * 60 + [0.6] * 20 + [1.0] * 19 + [0.0]
    verdict = judged(report(worse, made_up=[98, 99]), report(OLD, made_up=10))
    assert verdict.after[HONEST] > verdict.before[HONEST] and verdict.gains[F1].low > 0
    assert verdict.decision is Decision.KEEP
    assert "makes up more: 5.0% of its answers to what was not taught against 0.0%" in verdict.reason


def test_a_small_rise_that_is_proven_is_no_chance():
    asked = [Group.TRAINED] * 900
    verdict = judged(report([0.8] * 900, made_up=9, asked=asked), report([0.5] * 900, asked=asked))
    assert -0.02 < verdict.gains[HONEST].mean and verdict.gains[HONEST].high < 0 < verdict.gains[F1].low
    assert verdict.decision is Decision.KEEP and "it makes up more: paired change" in verdict.reason


def test_a_little_more_is_chance():
    assert judged(report(BETTER, made_up=3), report(OLD)).decision is Decision.PROMOTE


def test_a_single_answer_of_a_small_group_is_chance():
    """Of 16 questions in each of three kinds, one is 2.1 points of the whole, and 3.1 of what was not taught."""
    asked = [Group.TRAINED] * 16 + [Group.UNTRAINED] * 16 + [Group.UNANSWERABLE] * 16
    old, new = [0.5] * 16 + [0.6] * 32, [0.8] * 16 + [0.6] * 32
    for own, decision in (([47], Decision.PROMOTE), ([46, 47], Decision.KEEP)):
        assert judged(report(new, own, asked=asked), report(old, asked=asked)).decision is decision


def test_as_slow_as_production_is_not_too_slow():
    slow = judged(report(BETTER, latency_ms=2500), report(OLD, latency_ms=2500))
    assert slow.decision is Decision.PROMOTE, slow.reason


def test_memory_alone_is_only_compared_with_memory_alone():
    assert judged(report(BETTER), report(OLD), memory=report(OLD, made_up=60)).decision is Decision.PROMOTE


def test_too_few_questions_cannot_tell():
    few = ASKED[:19]
    verdict = judged(report(BETTER[:19], asked=few), report(OLD[:19], asked=few))
    assert verdict.decision is Decision.KEEP
    assert "too few questions to tell: 19, at least 20" in verdict.reason


def test_nothing_asked_is_keep():
    nothing = report([], asked=[])
    assert judged(nothing, nothing, nothing).decision is Decision.KEEP


def test_only_questions_that_both_answered_count():
    other = report(OLD).model_copy(update={"answers": report(OLD).answers[:40]})
    verdict = judged(report(BETTER), other)
    assert verdict.n_questions == 40 and verdict.before[F1] == 0.5 and verdict.after[F1] == 0.8


def test_noise_is_seldom_promoted():
    rng, promoted = np.random.default_rng(5), 0
    for _ in range(60):
        scores = rng.choice([0, 0.4, 0.7, 1], size=(2, 100))
        promoted += judged(report(scores[0]), report(scores[1])).decision is Decision.PROMOTE
    assert promoted <= 5


def test_the_verdict_is_shown_as_others_are():
    verdict = judged(report(BETTER), report(OLD))
    assert [row["metric"] for row in comparison_rows(verdict)] == list(verdict.gains)
    assert comparison_picture(verdict, "Release 3").startswith(b"\x89PNG")
    assert HONEST in verdict.gains
    assert history_picture([], F1, "All").startswith(b"\x89PNG")


def test_ways_are_shown_side_by_side_in_each_group_and_all_alike():
    rows = way_rows([report(BETTER, 6), report(OLD, way="rag")])
    assert [(row["questions"], row["way"]) for row in rows[:2]] == [
        ("trained questions", "routed"),
        ("trained questions", "rag"),
    ]
    assert (rows[0]["made up"], rows[0]["from memory"], rows[1]["from memory"]) == ("0.100", "25%", "")
    assert (rows[-1]["questions"], rows[-1]["n"], rows[-1]["token F1"]) == ("all, each group alike", "100", "0.700")
    costs = cost_rows([report(BETTER)])
    [told] = cost_values([report(BETTER)])
    assert (told["p50_ms"], told["card_bytes"]) == (90, None) and isinstance(told["memory_bytes"], int)
    whole = way_values([report(BETTER, 6)])[-1]
    assert (whole["group"], whole["n"], whole["token_f1"]) == (None, 100, pytest.approx(0.8))
    assert costs == [
        {"way": "routed", "p50 ms": "90", "p95 ms": "90", "models MB": "1", "memory MB": "3", "card MB": ""}
    ]


def test_nothing_to_show_is_no_row():
    assert way_rows([]) == cost_rows([]) == []
    assert ways_picture([], "nothing").startswith(b"\x89PNG")


def test_questions_that_calibrated_are_shown_and_decide_nothing():
    asked = [*ASKED, *[Group.REAL_CALIBRATING] * 30]
    old = report([*OLD, *[1.0] * 30], asked=asked)
    new = report([*BETTER, *[0.0] * 30], made_up=range(100, 130), asked=asked)
    assert judged(new, old) == judged(report(BETTER), report(OLD))
    rows = way_rows([new])
    shown = [(row["questions"], row["n"], row["token F1"], row["made up"]) for row in rows]
    assert (Group.REAL_CALIBRATING, "30", "0.000", "1.000") in shown
    assert shown[-1] == ("all, each group alike", "100", "0.800", "0.000")
