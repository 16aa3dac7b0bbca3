"""Whole answers, measured through their flow."""

import json

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter

from flows.evaluate_answers import evaluate_answers
from rag.config import GeneratorKind
from rag.errors import ConfigError
from rag.evaluation.answer_tables import answer_rows
from rag.evaluation.answers_artifact import load_answers
from rag.evaluation.judged_artifact import load_measured
from rag.evaluation.sets import load_questions
from rag.profiles import Profile
from tests.groq_server import serving
from tests.rag.evaluation.asked_company import open_asked_company
from tests.simple_judge import judged


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A home with documents in production and questions about them; what serves answers by quoting."""
    folder = tmp_path_factory.mktemp("company")
    space, evaluation_set = open_asked_company(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAGLOOP_HOME", str(space.home))
        patch.setenv("RAGLOOP_KEY_FILE", str(folder / "keyring.json"))
        yield space, evaluation_set


def measure(**parameters):
    return evaluate_answers(profile=Profile.SMOKE, generator=GeneratorKind.EXTRACTIVE, **parameters)


def table(key):
    """Return what the last run has left under a key."""
    wanted = ArtifactFilter.model_validate({"key": {"any_": [key]}})
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted)
    return max(found, key=lambda each: each.created)


def test_answers_leave_their_metrics_and_no_text(company):
    space, evaluation_set = company
    measured = measure()
    report, nobody = load_measured(space.artifacts, measured)
    assert nobody is None and report.refusals.asked == 40
    left = table("answer-metrics-default")
    assert json.loads(left.data) == answer_rows(report)
    assert "by extractive" in left.description
    shown = left.data + table("answer-times-default").data
    said = [pair.anchor for pair in load_questions(space.artifacts, evaluation_set)]
    said += [given.sample.answer for given in load_answers(space.artifacts, measured.answers)]
    assert not any(text in shown for text in said)
    assert measure(version=1) == measured


def test_a_judge_that_is_configured_judges(company, tmp_path, monkeypatch):
    space, _ = company
    config = tmp_path / "ragloop.toml"
    config.write_text(
        '[judge]\nprovider = "openai-compatible"\nmodel = "a-judge"\nrepeats = 2\nmetrics = ["context_recall"]'
    )
    monkeypatch.setenv("RAGLOOP_CONFIG", str(config))
    with pytest.raises(ConfigError, match="RAGLOOP_JUDGE_BASE_URL"):
        measure()
    with serving() as server:
        server.write = judged
        monkeypatch.setenv("RAGLOOP_JUDGE_BASE_URL", f"{server.url}/openai/v1")
        report, judgements = load_measured(space.artifacts, measure())
    assert judgements.means().keys() == {"context_recall"} and judgements.bill.requests == len(server.requests)
    rows = {row["metric"]: row for row in json.loads(table("answer-metrics-default").data)}
    assert rows["context_recall"]["spread"] == "0.000" and rows["support"]["spread"] == ""
    assert [*rows] == [row["metric"] for row in answer_rows(report, judgements)]
