from datetime import date, timedelta

import numpy as np
import pytest

from rag.config import MonitoringConfig
from rag.monitoring.traffic import Judgement
from rag.monitoring.use import usage
from tests.rag.monitoring.uses import NOW, asked, days_ago

CONFIG = MonitoringConfig(days=7, weeks=4, confidence=0.95)
TODAY = NOW.date()


def seen(traffic, first=None):
    first = {each.user: each.at for each in reversed(traffic) if each.user} | (first or {})
    return usage(traffic, first, TODAY, CONFIG)


def test_each_day_is_there_also_those_without_questions():
    days = seen([asked("a", days_ago(2)), asked("b", days_ago(2)), asked("c", days_ago(0))]).by_day
    assert [day.first_day for day in days] == [TODAY - timedelta(days=back) for back in range(6, -1, -1)]
    assert [day.questions for day in days] == [0, 0, 0, 0, 2, 0, 1]
    assert days[0].rating is None and days[0].latency == {}


def test_means_say_of_how_many():
    judged = {
        "a": (Judgement("user anna", True, 5), Judgement("user bert", False, 2)),
        "b": (Judgement("user anna", None, 3),),
        "c": (Judgement("user bert", True, None),),
    }
    traffic = [asked(id_, days_ago(0), judgements=own, found=id_ != "c") for id_, own in judged.items()]
    day = seen(traffic).by_day[-1]
    assert (day.rating.value, day.rating.n) == (pytest.approx(10 / 3, abs=1e-4), 3)
    assert (day.correct.value, day.correct.n) == (pytest.approx(2 / 3, abs=1e-4), 3)
    assert (day.unanswered.value, day.unanswered.n) == (pytest.approx(1 / 3, abs=1e-4), 3)
    assert day.rating.low < 2.5 and day.rating.high > 4.2
    assert day.support.n == 2  # of answers that were found


def test_an_answer_that_broke_off_is_neither_answered_nor_not():
    day = seen([asked("a", days_ago(0), found=None, support=None), asked("b", days_ago(0))]).by_day[-1]
    assert (day.questions, day.unanswered.n, day.support.n) == (2, 1, 1)


def test_latency_is_by_step_and_of_answers_that_were_made():
    times = np.linspace(0.1, 2.0, 20)
    traffic = [asked(str(i), days_ago(0), timings={"retrieval": t / 10, "total": t}) for i, t in enumerate(times)]
    known = asked("known", days_ago(0), cached=True, timings={"total": 0.0001})
    latency = seen([*traffic, known]).by_day[-1].latency
    assert list(latency) == ["retrieval", "total"]
    assert latency["total"].n == 20
    assert latency["total"].p50_s == pytest.approx(np.percentile(times, 50))
    assert latency["retrieval"].p95_s == pytest.approx(np.percentile(times, 95) / 10)


def test_who_comes_back_is_counted_by_week_from_the_first_use_ever():
    weeks_ago = [asked(f"{user}{week}", days_ago(7 * week), user) for week in (2, 1, 0) for user in ("anna", "bert")]
    new = asked("carl", days_ago(0), "carl")
    gone = asked("dora", days_ago(14), "dora")
    old = days_ago(100)
    found = seen([gone, *weeks_ago, new], {"bert": old})
    assert [week.first_day.weekday() for week in found.by_week] == [0] * 4
    assert [(week.users, week.returning) for week in found.by_week] == [(0, 0), (3, 1), (2, 2), (3, 2)]
    assert [(cohort.users, cohort.active) for cohort in found.retention] == [
        (0, (0, 0, 0, 0)),
        (2, (2, 1, 1)),
        (0, (0, 0)),
        (1, (1,)),
    ]
    assert found.retention[1].first_day == date(2026, 11, 2)


def test_who_asks_twice_in_the_first_week_has_not_come_back():
    found = seen([asked("a", days_ago(1), "anna"), asked("b", days_ago(0), "anna")])
    assert found.by_week[-1].returning == 0
    assert [day.returning for day in found.by_day[-2:]] == [0, 1]
