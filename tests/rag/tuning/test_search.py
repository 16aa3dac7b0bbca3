"""What a search shows of its trials."""

import json

import pytest

from rag.profiles import Profile, load_config
from rag.tuning.score import Score
from rag.tuning.search import FailedTrial, Search, Trial, trial_rows
from rag.tuning.settings import TrialSettings
from storage.artifacts import ArtifactRef

SETTINGS = TrialSettings.of(load_config(Profile.CPU))


def trial(number, ranks):
    mrr = sum(1 / rank for rank in ranks) / len(ranks)
    documents = tuple(place // 4 for place in range(len(ranks)))
    score = Score(mrr=mrr, hit5=0.8, questions=len(ranks), ranks=ranks, documents=documents)
    embedder = ArtifactRef.of("embedder", str(number))
    return Trial(number=number, settings=SETTINGS, embedder=embedder, tuned_share=1.0, seconds=3.2, score=score)


def test_one_that_failed_is_shown_last_and_is_never_the_best():
    failed = FailedTrial(number=1, settings=SETTINGS, why="2 at a time do not fit")
    search = Search.of([trial(0, (2, 2)), failed, trial(2, (1, 1))])
    assert search.best.number == 2 and search.failed == (failed,)
    rows = trial_rows(search)
    assert [row["trial"] for row in rows] == ["2", "0 (in force)", "1"]
    assert [row["mrr@10"] for row in rows] == [1.0, 0.5, "failed"]
    assert len({tuple(row) for row in rows}) == 1


def test_the_best_of_few_questions_is_not_told_apart_from_what_is_in_force():
    """On 44 questions, a gain of a twentieth."""
    in_force = (1, 2, 3, 4) * 11
    search = Search.of([trial(0, in_force), trial(1, (1, 1, 1, 4, 4, 4, *in_force[6:]))])
    assert search.best.number == 1 and search.gain.low < 0 < search.gain.mean
    assert search.conclusion == (
        f"trial 1 has {search.gain} in MRR@10 over what is in force: not told apart from what is in force"
    )
    assert json.loads(search.model_dump_json())["gain"] == search.gain.model_dump()


def test_what_is_better_on_all_documents_is_told_with_its_interval():
    search = Search.of([trial(0, (1, 2, 3, 4) * 11), trial(1, (1, 1, 2, 3) * 11)])
    assert search.gain.low > 0
    assert search.conclusion == f"trial 1 has {search.gain} in MRR@10 over what is in force"
    assert json.loads(search.model_dump_json())["conclusion"] == search.conclusion


def test_among_more_trials_the_best_must_be_surer():
    in_force, better = trial(0, (1, 2, 3, 4) * 11), trial(1, (1, 1, 3, 4, 1, 2, 3, 4) * 5 + (1, 2, 3, 4))
    few = Search.of([in_force, better])
    many = Search.of([in_force, better, *(trial(number, (2, 2, 3, 4) * 11) for number in range(2, 20))])
    assert many.gain.low < few.gain.low and many.gain.mean == few.gain.mean


def test_where_nothing_scored_higher_it_says_so():
    search = Search.of([trial(0, (1, 2)), trial(1, (1, 2))])
    assert search.conclusion == "none scored higher than what is in force"
    assert search.gain.mean == pytest.approx(0)
