"""A search for better training settings, on the smoke profile."""

import pytest
from prefect import flow

from flows.ingest import ingest
from flows.tune import attempted, tune
from rag.errors import RagloopError
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.questions_file import read_questions
from rag.profiles import Profile
from rag.releases import serving_release
from rag.settings import Settings
from rag.tuning.search import FailedTrial, trial_rows
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
    assert trial_rows(again)[0]["mrr@10"] == again.best.score.mrr
    assert serving_release(space, "default") == before


def test_a_trial_that_fails_ends_the_search_only_if_it_is_the_first(home):
    Workspace.open(Settings(), create=True)
    settings = TrialSettings.of(Settings().stages(Profile.SMOKE))

    @flow
    def search(number, collection="default"):
        pairs = "artifact:pairs/" + 32 * "0"  # which nobody has made
        given = {"collection": collection, "profile": Profile.SMOKE, "questions": pairs, "settings": settings}
        return attempted(60, number=number, **given)

    lost = search(3)
    assert isinstance(lost, FailedTrial) and (lost.number, lost.settings) == (3, settings)
    assert "is not in the store" in lost.why
    with pytest.raises(RagloopError, match="is not in the store"):
        search(0)

    nameless = search(3, collection="not/a/name")  # which is no error of ours
    assert nameless.why == "it failed (ParameterTypeError): see the log"
