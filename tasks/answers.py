"""Tasks that measure whole answers."""

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from rag.config import Config, GeneratorKind
from rag.evaluation.answer_tables import answer_rows, answering_rows
from rag.evaluation.answers_artifact import answer_set, answers_artifact
from rag.evaluation.judged_artifact import MeasuredAnswers, judged_artifact, load_measured, require_judge
from rag.releases import named_release
from rag.settings import Settings
from rag.workspace import Workspace
from storage.artifacts import ArtifactRef
from tasks.publishing import artifact_key


@task(cache_policy=NO_CACHE)
def check_judge(config: Config) -> None:
    """Stop before anything long begins if a judge is configured that cannot be asked."""
    require_judge(Workspace.open(Settings()), config)


@task(cache_policy=NO_CACHE, tags=["gpu"])
def answer_questions(
    collection: str, release: str, questions: ArtifactRef, generator: GeneratorKind | None, config: Config
) -> ArtifactRef:
    """Have a release, by id or `production`, answer an evaluation set and what its documents do not answer."""
    space = Workspace.open(Settings())
    asked = answer_set(space.artifacts, questions, config)
    return answers_artifact(space, named_release(space, collection, release), asked, config, generator)


@task(cache_policy=NO_CACHE)
def judge_answers(answers: ArtifactRef, config: Config) -> ArtifactRef | None:
    """Have the judge judge answers, if one is configured."""
    return judged_artifact(Workspace.open(Settings()), answers, config)


@task(cache_policy=NO_CACHE)
def publish_answers(measured: MeasuredAnswers, collection: str, title: str) -> None:
    """Leave what answers are worth, and how long they took; no text."""
    report, judged = load_measured(Workspace.open(Settings()).artifacts, measured)
    about = {"description": f"{title} of {collection}"}
    create_table_artifact(key=artifact_key("answer-metrics", collection), table=answer_rows(report, judged), **about)
    create_table_artifact(key=artifact_key("answer-times", collection), table=answering_rows(report), **about)
