import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from rag.config import MonitoringConfig
from rag.monitoring.drift import LATENCY, QUESTIONS, SCORE, SUPPORT, UNANSWERED, Windows, drift, sampled
from tests.rag.monitoring.uses import NOW, asked, days_ago

CONFIG = MonitoringConfig(permutations=999)
DIM = 16
PEOPLE, RECENT, BEFORE = 20, 120, 280


def vector(topic, rng):
    drawn = np.eye(DIM)[topic] + rng.normal(0, 0.15, DIM)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def traffic(seed, new=0.0, **shifted):
    """Return four weeks of one kind of use and a week that may be of another, and the vectors of the questions.

    People have topics of their own, scores of their own, and come back.
    """
    rng = np.random.default_rng(seed)
    topics = rng.integers(8, size=(PEOPLE, 3))
    level = rng.normal(0.6, 0.05, PEOPLE)
    vectors = {}

    def one(place, recent):
        person = rng.integers(PEOPLE)
        topic = 15 if recent and rng.random() < new else rng.choice(topics[person])
        facts = {
            "score": level[person] + rng.normal(0, 0.1),
            "support": rng.beta(8, 2),
            "found": rng.random() < 0.8,
            "latency": rng.lognormal(-1, 0.4),
        }
        if recent:
            facts |= {name: change(facts[name], rng) for name, change in shifted.items()}
        id_ = f"{recent}-{place}"
        vectors[id_] = vector(topic, rng)
        day = rng.integers(7) if recent else 7 + rng.integers(28)
        seconds = {"total": float(facts.pop("latency"))}
        return asked(id_, days_ago(int(day)), f"p{person}", timings=seconds, **facts)

    return Windows([one(i, False) for i in range(BEFORE)], [one(i, True) for i in range(RECENT)]), vectors


def look(windows, vectors, config=CONFIG, scored_by=lambda release_id: "the same"):
    since = [(NOW - timedelta(days=days)).date() for days in (34, 6)]
    models = {each.release_id: scored_by(each.release_id) for each in windows.both}
    return drift(windows, vectors, tuple(since), models, config)


def found(report):
    return {metric.metric for metric in report.metrics if metric.found}


def test_where_nothing_changed_it_alarms_no_more_often_than_promised():
    """Thirty looks of five tests each, at an error of a tenth a look: 3 alarms expected, over 8 twice in a thousand."""
    config = CONFIG.model_copy(update={"error": 0.1, "min_shift": 0.0, "min_novel": 0.0, "permutations": 199})
    alarms = sum(bool(found(look(*traffic(seed), config))) for seed in range(30))
    assert alarms <= 8


def test_a_new_topic_is_found_with_its_questions():
    windows, vectors = traffic(1, new=0.3)
    report = look(windows, vectors)
    assert found(report) == {QUESTIONS}
    questions = report.of(QUESTIONS)
    planted = {id_ for id_, own in vectors.items() if own.argmax() == 15}
    assert set(report.novel) >= planted
    assert questions.now == pytest.approx(len(planted) / RECENT, abs=0.1)
    assert questions.before < 0.1 and questions.worse
    assert sum(day.questions for day in report.by_day) == RECENT


def thin(recent_subject):
    """Return windows whose questions are too unlike each other for topics, those of each window from its own people."""
    rng = np.random.default_rng(9)
    sides, vectors = ([], []), {}
    for recent, (n, subject) in enumerate([(300, 0), (200, recent_subject)]):
        for i in range(n):
            drawn = np.zeros(200)
            drawn[100 * subject : 100 * (subject + 1)] = rng.normal(0, 0.08, 100)
            drawn[100 * subject] += 0.6
            id_ = f"{recent}-{i}"
            vectors[id_] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
            day = i % 7 if recent else 7 + i % 28
            sides[recent].append(asked(id_, days_ago(day), f"{recent} {i % 50}"))
    return Windows(*sides), vectors


def test_a_change_of_all_that_is_asked_is_found_though_no_two_ask_alike():
    report = look(*thin(recent_subject=1))
    questions = report.of(QUESTIONS)
    assert found(report) == {QUESTIONS}
    assert questions.shift > 0.9 and questions.now > 0.95
    assert len(report.novel) > 190
    assert not found(look(*thin(recent_subject=0)))


@pytest.mark.parametrize(
    ("metric", "field", "change", "worse"),
    [
        (SCORE, "score", lambda value, rng: value - 0.15, True),
        (SCORE, "score", lambda value, rng: value + 0.15, False),
        (SUPPORT, "support", lambda value, rng: value - 0.3, True),
        (UNANSWERED, "found", lambda value, rng: bool(rng.random() < 0.4), True),
        (UNANSWERED, "found", lambda value, rng: True, False),
        (LATENCY, "latency", lambda value, rng: 2 * value, True),
    ],
)
def test_each_shift_is_found_and_told_for_better_or_worse(metric, field, change, worse):
    report = look(*traffic(2, **{field: change}))
    assert found(report) == {metric}
    assert report.of(metric).worse is worse


def scored(before, now):
    """Return windows of answers with these scores, from so many people."""
    sides = [
        [asked(f"{day} {i}", days_ago(day), f"{day} {i}", score=s) for i, s in enumerate(scores)]
        for day, scores in ((20, before), (2, now))
    ]
    return look(Windows(*sides), {}).of(SCORE)


def test_better_or_worse_is_told_by_the_figures_that_are_shown():
    """The median of most rises while few fall far enough to draw the mean down."""
    score = scored([0.5] * 100, [0.6] * 80 + [0.0] * 20)
    assert score.found and (score.before, score.now) == (0.5, 0.6)
    assert not score.worse


def test_where_the_figures_are_alike_the_means_tell():
    score = scored([0.5] * 100, [0.5] * 60 + [0.0] * 40)
    assert score.found and score.before == score.now
    assert score.worse


def test_what_is_alike_on_the_whole_is_not_worse():
    score = scored([0.5] * 100, [0.5] * 20 + [0.25] * 40 + [0.75] * 40)
    assert score.found and score.before == score.now
    assert not score.worse


def test_a_difference_that_matters_to_nobody_is_no_drift_however_sure():
    rng = np.random.default_rng(3)
    sides = [
        [
            asked(f"{day} {i}", days_ago(day), f"{day} {i}", score=score)
            for i, score in enumerate(rng.normal(mean, 0.1, 1000))
        ]
        for day, mean in ((20, 0.5), (2, 0.48))
    ]
    score = look(Windows(*sides), {}).of(SCORE)
    assert score.p_value <= CONFIG.error and score.shift < CONFIG.min_shift
    assert not score.found


def test_of_few_it_says_that_they_are_too_few():
    windows, vectors = traffic(4)
    report = look(Windows(windows.reference, windows.recent[:29]), vectors)
    assert {metric.untested for metric in report.metrics if metric.metric == SCORE} == {
        f"too few to tell: 29 beside {BEFORE} before, 30 needed"
    }
    assert not found(report) and report.novel == ()


def test_where_one_application_asks_for_all_days_are_compared():
    windows, vectors = traffic(5, new=0.4)
    alone = Windows(*([dataclasses.replace(each, user="app") for each in side] for side in windows))
    assert QUESTIONS in found(look(alone, vectors))
    quiet, own = traffic(6)
    assert not found(look(Windows(*([dataclasses.replace(e, user="app") for e in side] for side in quiet)), own))


def promoted(windows, since_days=6):
    """Have another release answer since then, whose scores are lower by nature."""
    since = days_ago(since_days).date()
    return Windows(
        *(
            [dataclasses.replace(e, release_id=2, score=e.score - 0.3) if e.day >= since else e for e in side]
            for side in windows
        )
    )


def test_scores_of_other_models_are_no_drift():
    windows, vectors = traffic(2)
    report = look(promoted(windows), vectors, scored_by=str)
    assert report.of(SCORE).untested == (
        f"other models answered, whose scores are others (too few to tell: {RECENT} beside 0 before, 30 needed)"
    )
    assert not found(report)


def test_of_models_that_answered_before_as_well_the_scores_are_compared():
    """Two weeks ago others began to answer; of the same ones with other documents all are compared."""
    windows, vectors = traffic(2, score=lambda value, rng: value - 0.3)
    score = look(promoted(windows, since_days=20), vectors, scored_by=str).of(SCORE)
    before = sum(each.day >= days_ago(20).date() for each in windows.reference)
    assert (score.n_before, score.n_now, score.found) == (before, RECENT, True)
    moved = Windows(windows.reference, [dataclasses.replace(each, release_id=2) for each in windows.recent])
    score = look(moved, vectors).of(SCORE)
    assert (score.n_before, score.n_now, score.found) == (BEFORE, RECENT, True)


def test_releases_that_are_new_are_told():
    windows, vectors = traffic(7)
    after = [dataclasses.replace(each, release_id=2) for each in windows.recent]
    assert look(Windows(windows.reference, after), vectors).releases == (2,)
    assert look(windows, vectors).releases == ()


def test_of_very_many_a_sample_is_compared_and_the_days_are_counted_whole():
    windows, vectors = traffic(1, new=0.3)
    config = CONFIG.model_copy(update={"max_answers": 100})
    compared = sampled(windows, config)
    left_out = {each.id for each in windows.recent} - {each.id for each in compared.recent}
    after = [dataclasses.replace(each, release_id=2 if each.id in left_out else 1) for each in windows.recent]
    report = look(Windows(windows.reference, after), {each.id: vectors[each.id] for each in compared.both}, config)
    assert (report.sampled_before, report.sampled_now) == (True, True)
    assert (report.of(QUESTIONS).n_before, report.of(QUESTIONS).n_now) == (100, 100)
    assert report.counted(report.of(SCORE)) == ("a sample of 100", "a sample of 100")
    assert sum(day.questions for day in report.by_day) == RECENT
    assert report.releases == (2,)
    assert set(report.novel) <= {each.id for each in compared.recent} and found(report) == {QUESTIONS}
    whole = look(windows, vectors)
    assert (whole.sampled_before, whole.sampled_now, whole.counted(whole.of(SCORE))) == (False, False, ("280", "120"))


def test_of_very_many_some_are_drawn_the_same_each_time():
    windows, _ = traffic(8)
    config = CONFIG.model_copy(update={"max_answers": 50})
    drawn = sampled(windows, config)
    assert [len(side) for side in drawn] == [50, 50]
    assert sampled(windows, config) == drawn
    assert {each.id for each in drawn.recent} < {each.id for each in windows.recent}
