from datetime import date, timedelta

import pytest

from rag.config import MonitoringConfig
from rag.monitoring.alerts import RaisedAlert, alerts, changed
from rag.monitoring.drift import LATENCY, METRICS, QUESTIONS, SCORE, Drift, DriftReport
from rag.monitoring.traffic import Judgement
from rag.monitoring.use import use_of
from tests.rag.monitoring.uses import NOW, asked, days_ago

CONFIG = MonitoringConfig()
TODAY = NOW.date()


def report(*found, releases=()):
    by_metric = {metric: Drift(metric=metric, n_before=300, n_now=120) for metric in METRICS}
    metrics = tuple((by_metric | {drift.metric: drift for drift in found}).values())
    since = TODAY - timedelta(days=6)
    return DriftReport(
        since=since,
        reference_since=since - timedelta(days=28),
        metrics=metrics,
        by_day=(),
        releases=releases,
        novel=(),
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


def test_drift_is_told_where_it_is_for_the_worse():
    (score,) = raised([], drifted(SCORE), drifted(LATENCY, worse=False), releases=(7,))
    assert (score.metric, score.value, score.bound) == ("drift:score", 0.3, CONFIG.min_shift)
    assert "0.5 in 120 since 2026-11-12, 0.7 in 300 from 2026-10-15 on" in score.sentence
    assert "release 7" in score.sentence and "p 0.0025" in score.sentence
    (questions,) = raised([], drifted(QUESTIONS, before=0.02, now=0.22, shift=0.2))
    assert "22% of 120 questions since 2026-11-12 are on topics" in questions.sentence
    assert questions.bound == CONFIG.min_novel


@pytest.mark.parametrize("metric", METRICS)
def test_each_has_a_remedy(metric):
    (alert,) = raised([], drifted(metric))
    assert "ragloop" in alert.remedy


def test_one_alert_is_raised_once_until_it_has_ended():
    now = raised([], drifted(SCORE))
    first = changed(now, [], TODAY)
    assert [alert.since for alert in first.raised] == [TODAY]
    later = TODAY + timedelta(days=1)
    still = changed(now, first.standing, later)
    assert still.raised == still.ended == []
    assert [alert.since for alert in still.standing] == [TODAY]
    over = changed([], still.standing, later)
    assert (over.raised, over.standing, over.ended) == ([], [], still.standing)
    again = changed(now, over.standing, later + timedelta(days=1))
    assert len(again.raised) == 1


def test_sent_twice_it_is_one_event_and_another_day_it_is_another():
    alert = RaisedAlert(metric="rating", value=3, bound=4, sentence="s", remedy="r", since=date(2026, 11, 1))
    other = alert.model_copy(update={"since": date(2026, 11, 9)})
    ids = {alert.event_id("default", "raised"), alert.event_id("default", "ended"), alert.event_id("docs", "raised")}
    assert len(ids | {other.event_id("default", "raised")}) == 4
    assert alert.model_copy(update={"value": 2.5}).event_id("default", "raised") in ids
