"""A release and evaluation questions -> its answers, and what they are worth."""

from prefect import flow

from flows.dispatch import announced
from flows.parameters import (
    CollectionName,
    GeneratorName,
    ProfileName,
    ReleaseName,
    SetVersion,
    stage_config,
    stage_name,
)
from rag.evaluation.judged_artifact import MeasuredAnswers
from tasks.answers import answer_questions, check_judge, judge_answers, publish_answers
from tasks.evaluation import evaluation_questions


@flow(flow_run_name=stage_name)
def evaluate_answers(
    collection: CollectionName = "default",
    profile: ProfileName = None,
    release: ReleaseName = "production",
    version: SetVersion = None,
    generator: GeneratorName = None,
) -> MeasuredAnswers:
    """Have a release answer evaluation questions, and some that no document answers; leave what that is worth."""
    config = stage_config(profile)
    check_judge(config)
    questions = evaluation_questions(collection, version, config)
    answers = answer_questions(collection, release, questions, generator, config)
    measured = MeasuredAnswers(answers=answers, judged=judge_answers(answers, config))
    publish_answers(measured, collection, f"answers of release {release}" + (f" by {generator}" if generator else ""))
    return announced(measured)
