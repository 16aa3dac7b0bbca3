from datetime import timedelta

import pytest

from rag.config import MonitoringConfig
from rag.monitoring.alerts import RaisedAlert, alerts, changed
from rag.monitoring.drift import LATENCY, METRICS, QUESTIONS, SCORE, Drift, DriftReport
from rag.monitoring.traffic import Judgement
from rag.monitoring.use import use_of
from tests.rag.monitoring.uses import NOW, asked, days_ago

CONFIG = MonitoringConfig()
TODAY = NOW.date()


def report(*found, **more):
    by_metric = {metric: Drift(metric=metric, n_before=300, n_now=120) for metric in METRICS}
    metrics = tuple((by_metric | {drift.metric: drift for drift in found}).values())
    since = TODAY - timedelta(days=6)
    return DriftReport(
        since=since,
        reference_since=since - timedelta(days=28),
        metrics=metrics,
        **({"by_day": (), "releases": (), "novel": ()} | more),
    )


def drifted(metric, **fields):
    facts = {"before": 0.7, "now": 0.5, "shift": 0.3, "p_value": 0.0025, "found": True, "worse": True}
    return Drift(metric=metric, n_before=300, n_now=120, **(facts | fields))


def raised(traffic, *found, **more):
    use = use_of((days_ago(6).date(), timedelta(days=7), traffic), {}, CONFIG)
    return alerts(traffic, use, report(*found, **more), CONFIG)


def judged(n, correct, rating):
    return [
        asked(f"{i}", days_ago(i % 7), f"user {i}", judgements=(Judgement(f"user {i}", correct, rating),))
        for i in range(n)
    ]


def timed(n, slow_of_ten, slow_s=5.0):
    seconds = [slow_s if i % 10 < slow_of_ten else 0.4 for i in range(n)]
    return [asked(f"{i}", days_ago(i % 7), timings={"total": total}) for i, total in enumerate(seconds)]


def test_good_answers_raise_nothing():
    assert raised(judged(40, True, 5)) == []


def test_targets_that_are_missed_for_sure_are_told_with_their_numbers():
    rating, correct = raised(judged(40, False, 2))
    assert (rating.metric, rating.value, rating.bound) == ("rating", 2.0, 4.0)
    assert "2.00 [" in rating.sentence and "of 40, under the target of 4" in rating.sentence
    assert (correct.metric, correct.value, correct.bound) == ("correct", 0.0, 0.9)
    assert "retrain" in rating.remedy


def test_two_bad_ratings_are_no_alert():
    assert raised(judged(2, None, 1)) == []


def test_just_under_the_target_is_no_alert():
    mixed = [*judged(20, True, 4), *judged(20, True, 3)]
    assert raised(mixed) == []  # 3.5 of 20 people, the interval holds 4


def test_slow_answers_are_told_and_known_ones_do_not_count():
    (slow,) = raised(timed(200, slow_of_ten=2))
    assert (slow.metric, slow.value, slow.bound) == ("latency_p95_s", 5.0, 2.0)
    assert "20% of 200 took longer" in slow.sentence
    assert raised(timed(200, slow_of_ten=0)) == []
    assert raised([asked(f"{i}", days_ago(0), cached=True, timings={"total": 9.0}) for i in range(99)]) == []


def test_a_burst_of_slow_answers_is_no_proof_that_they_are_slow():
    """Of ten hours a day, eight answers each, they were slow in six of one day, or in all of two days."""
    hours = [days_ago(day, hour) for day in range(7) for hour in range(2, 12)]

    def slow_in(some):
        return [asked(f"{at} {i}", at, timings={"total": 5.0 if at in some else 0.4}) for at in hours for i in range(8)]

    assert raised(slow_in(hours[3:9])) == []
    (slow,) = raised(slow_in(hours[:20]))
    assert "29% of 560 took longer" in slow.sentence


def test_drift_is_told_where_it_is_for_the_worse():
    (score,) = raised([], drifted(SCORE), drifted(LATENCY, worse=False), releases=(7,))
    assert (score.metric, score.value, score.bound) == ("drift:score", 0.3, CONFIG.min_shift)
    assert "0.5 in 120 since 2026-11-12, 0.7 in 300 from 2026-10-15 on" in score.sentence
    assert "release 7" in score.sentence and "p 0.0025" in score.sentence
    (questions,) = raised([], drifted(QUESTIONS, before=0.02, now=0.22, shift=0.2))
    assert "22% of 120 questions since 2026-11-12 are on topics" in questions.sentence
    assert questions.bound == CONFIG.min_novel


def test_where_a_sample_was_compared_it_says_so():
    questions, score = raised([], drifted(QUESTIONS), drifted(SCORE), sampled_now=True)
    assert "50% of a sample of 120 questions since 2026-11-12" in questions.sentence
    assert "0.5 in a sample of 120 since 2026-11-12, 0.7 in 300 from" in score.sentence


@pytest.mark.parametrize("metric", METRICS)
def test_each_has_a_remedy(metric):
    (alert,) = raised([], drifted(metric))
    assert "ragloop" in alert.remedy


def told(alerts):
    return [alert.model_copy(update={"told": True}) for alert in alerts]


def test_one_alert_is_raised_once_until_it_has_ended():
    now = raised([], drifted(SCORE))
    first = changed(now, [], NOW)
    assert [(alert.since, alert.event) for alert in first.untold] == [(NOW, "raised")]
    later = NOW + timedelta(hours=1)
    still = changed(now, told(first.standing), later)
    assert still.untold == [] and [alert.since for alert in still.standing] == [NOW]
    over = changed([], still.standing, later)
    assert over.standing == [] and [(alert.since, alert.event) for alert in over.untold] == [(NOW, "ended")]
    again = changed(now, told(over.standing), later)
    assert [(alert.since, alert.event) for alert in again.untold] == [(later, "raised")]


def test_what_a_run_did_not_come_to_tell_is_told_by_the_next_one_as_the_same_event():
    now, later = raised([], drifted(SCORE)), NOW + timedelta(days=1)
    begun = changed(now, [], NOW)
    (again,) = changed(now, begun.standing, later).untold
    assert again.event_id("docs") == begun.untold[0].event_id("docs")
    over = changed([], told(begun.standing), NOW)
    left = [RaisedAlert.model_validate_json(alert.model_dump_json()) for alert in over.ended]
    ended, back = changed(now, left, later).untold
    assert ended.event_id("docs") == over.untold[0].event_id("docs")
    assert (back.event, back.since) == ("raised", later)


def test_sent_twice_it_is_one_event_and_another_time_it_is_another():
    alert = RaisedAlert(metric="rating", value=3, bound=4, sentence="s", remedy="r", since=NOW)
    later, ended = ({"since": NOW + timedelta(hours=1)}, {"ended": True})
    ids = {alert.event_id("default"), alert.event_id("docs")}
    ids |= {alert.model_copy(update=other).event_id("default") for other in (later, ended)}
    assert len(ids) == 4
    assert alert.model_copy(update={"value": 2.5, "told": True}).event_id("default") in ids
