"""What a search shows of its trials."""

from rag.profiles import Profile, load_config
from rag.tuning.score import Score
from rag.tuning.search import FailedTrial, Search, Trial, trial_rows
from rag.tuning.settings import TrialSettings
from storage.artifacts import ArtifactRef

SETTINGS = TrialSettings.of(load_config(Profile.CPU))


def trial(number, mrr):
    score = Score(mrr=mrr, hit5=0.8, questions=40)
    embedder = ArtifactRef.of("embedder", str(number))
    return Trial(number=number, settings=SETTINGS, embedder=embedder, tuned_share=1.0, seconds=3.2, score=score)


def test_one_that_failed_is_shown_last_and_is_never_the_best():
    failed = FailedTrial(number=1, settings=SETTINGS, why="2 at a time do not fit")
    search = Search.of([trial(0, 0.5), failed, trial(2, 0.7)])
    assert search.best.number == 2 and search.failed == (failed,)
    rows = trial_rows(search)
    assert [row["trial"] for row in rows] == ["2", "0 (in force)", "1"]
    assert [row["mrr@10"] for row in rows] == [0.7, 0.5, "failed"]
    assert len({tuple(row) for row in rows}) == 1
