"""What the tasks leave in the Prefect UI."""

from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter

from rag.evaluation.artifact import EVALUATION
from rag.evaluation.report import EvaluationReport
from rag.training.progress import TrainingProgress
from tasks.publishing import TrainingReport, publish_report


def test_a_table_of_metrics_says_how_many_questions_were_left_out(space):
    report = EvaluationReport(evaluation_set="e", questions=(), left_out=3, general_hit1=1.0, serving_bytes=1)

    def write(draft):
        (draft.path / "report.json").write_text(report.model_dump_json())
        return {}

    publish_report(
        space.artifacts.build(EVALUATION, inputs={}, config=None, recipe=[], write=write), "few", "release 7"
    )
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter.model_validate({"key": {"any_": ["retrieval-metrics-few"]}})
        (left,) = client.read_artifacts(artifact_filter=wanted)
    assert left.description.startswith("release 7 of few; 3 questions left out: ")


def test_the_trainings_of_two_collections_are_shown_apart():
    now = TrainingProgress(step=1, total_steps=4, epoch=0.5, loss=None, validation=None)
    for collection in ("guides", "letters"):
        TrainingReport("chat model", collection)(now)
    wanted = ArtifactFilter.model_validate({"key": {"like_": "chat-model-training"}})
    with get_client(sync_client=True) as client:
        keys = {artifact.key for artifact in client.read_artifacts(artifact_filter=wanted)}
    assert {"chat-model-training-guides", "chat-model-training-letters"} <= keys
    assert "chat-model-training" not in keys
