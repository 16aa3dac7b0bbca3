"""A search for better training settings, on the smoke profile."""

from flows.ingest import ingest
from flows.tune import tune
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile
from rag.releases import serving_release
from rag.settings import Settings
from rag.tuning.search import trial_rows
from rag.tuning.settings import TrialSettings
from rag.workspace import Workspace
from tests.company import write_company, write_questions


def test_each_trial_is_trained_once_however_often_the_search_is_begun(home, tmp_path):
    ingest([str(write_company(tmp_path / "documents"))], profile=Profile.SMOKE)
    space = Workspace.open(Settings())
    known = load_alignable(space.artifacts, space.database, "default")
    questions = read_questions(write_questions(tmp_path / "questions.jsonl"))
    import_questions(space.database, space.sealer, "default", questions, known)
    before = serving_release(space, "default")

    first = tune(profile=Profile.SMOKE, trials=1)
    assert first.trials[0].settings == TrialSettings.of(Settings().stages(Profile.SMOKE))
    again = tune(profile=Profile.SMOKE, trials=2)
    assert again.trials[0].embedder == first.trials[0].embedder
    assert again.trials[1].embedder != first.trials[0].embedder
    embedders = [ref for ref in space.artifacts.refs() if ref.kind == "embedder"]
    assert len(embedders) == 3  # the untuned one, and one for each settings

    assert [trial.score.questions for trial in again.trials] == [first.trials[0].score.questions] * 2
    assert again.best.score.mrr == max(trial.score.mrr for trial in again.trials) > 0
    assert trial_rows(again.trials)[0]["mrr@10"] == again.best.score.mrr
    assert serving_release(space, "default") == before
