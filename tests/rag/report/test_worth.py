"""What a page tells of the answers of a release that were measured."""

import pytest

from rag.config import GeneratorKind, JudgeConfig, JudgeMetric, JudgeProvider
from rag.evaluation.answers import AnswerSet
from rag.evaluation.answers_artifact import answer_set, answers_artifact
from rag.evaluation.judged_artifact import judged_artifact
from rag.evaluation.sets import KIND as EVALUATION_SET
from rag.report.facts import release_report
from rag.report.markdown import markdown_page
from rag.report.sections import sections
from storage.artifacts import ArtifactRef
from tests.groq_server import serving
from tests.rag.evaluation.asked_company import keyed
from tests.rag.report.parts import CONFIG, copied
from tests.simple_judge import judged

JUDGE = JudgeConfig(
    provider=JudgeProvider.OPENAI_COMPATIBLE, model="a-judge", repeats=1, metrics=(JudgeMetric.FAITHFULNESS,)
)
ASKED = CONFIG.model_copy(update={"evaluation": CONFIG.evaluation.model_copy(update={"answered": 3}), "judge": JUDGE})


@pytest.fixture
def space(parts, tmp_path):
    return copied(parts, tmp_path)


def evaluation_set_of(space, release):
    return ArtifactRef.of(EVALUATION_SET, space.registry.evaluations(release.id)[-1].evaluation_set_digest)


def measured(space, release):
    """Measure the answers of a release to three questions, by reference."""
    asked = answer_set(space.artifacts, evaluation_set_of(space, release), ASKED)
    return answers_artifact(space, release, asked, ASKED, GeneratorKind.EXTRACTIVE)


def worth(space, release):
    found = [each for each in sections(release_report(space, release)) if each.name == "worth"]
    return found[0] if found else None


def rows(table):
    first = table.columns[0].name
    return {row[first]: row for row in table.rows}


def test_answers_that_were_measured_are_shown_with_what_a_judge_said(space, parts):
    assert worth(space, parts.better) is None
    answers = measured(space, parts.better)
    metrics, took = worth(space, parts.better).tables
    assert "real (3)" in metrics.rows[0] and JudgeMetric.FAITHFULNESS not in rows(metrics)
    assert rows(took)["answered by"]["value"].startswith("extractive (")
    with serving() as server:
        server.write = judged
        assert judged_artifact(keyed(space, server), answers, ASKED)
    metrics, took = worth(space, parts.better).tables
    assert 0 <= float(rows(metrics)[JudgeMetric.FAITHFULNESS]["real (3)"]) <= 1
    assert rows(took)["judged by"]["value"].startswith("a-judge, 1 times each")
    assert "## What its answers are worth" in markdown_page(release_report(space, parts.better))


def test_answers_to_questions_of_a_file_are_not_its_worth(space, parts):
    asked = answer_set(space.artifacts, evaluation_set_of(space, parts.better), ASKED)
    foreign = AnswerSet(questions=asked.questions[:1])
    answers_artifact(space, parts.better, foreign, ASKED, GeneratorKind.EXTRACTIVE)
    assert worth(space, parts.better) is None


def test_answers_of_another_release_are_not_its_own(space, parts):
    """Both have the same models, and rank by other weights."""
    measured(space, parts.better)
    assert worth(space, parts.kept) is None
