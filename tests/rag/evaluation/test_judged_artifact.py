"""Answers of a release, judged through ragas by a judge on the loopback."""

import pytest

from rag.config import GeneratorKind, JudgeConfig, JudgeMetric, JudgeProvider
from rag.corpus.traces import derived
from rag.errors import ConfigError
from rag.evaluation.answers_artifact import answer_set, answers_artifact, load_answers
from rag.evaluation.judged_artifact import judged_artifact, load_judged, require_judge
from tests.groq_server import refuses, serving
from tests.rag.evaluation.asked_company import CONFIG, keyed
from tests.simple_judge import judged

JUDGE = JudgeConfig(
    provider=JudgeProvider.OPENAI_COMPATIBLE,
    model="a-judge",
    repeats=2,
    attempts=1,
    backoff_s=0,
    metrics=(JudgeMetric.FAITHFULNESS, JudgeMetric.CONTEXT_RECALL),
)


def judging(**changes):
    """Return the config with a judge, changed as given."""
    return CONFIG.model_copy(update={"judge": JUDGE.model_copy(update=changes)})


@pytest.fixture
def server():
    """A judge."""
    with serving() as server:
        server.write = judged
        yield server


@pytest.fixture(scope="module")
def answers(asked_company):
    """Answers of the release that serves, by reference."""
    space, evaluation_set = asked_company
    asked = answer_set(space.artifacts, evaluation_set, CONFIG)
    return answers_artifact(space, space.registry.production("default"), asked, CONFIG, GeneratorKind.EXTRACTIVE)


def test_without_a_judge_nothing_is_judged(asked_company, answers):
    require_judge(asked_company[0], CONFIG)
    assert judged_artifact(asked_company[0], answers, CONFIG) is None


def test_a_judge_that_is_not_set_up_is_one_clear_line(asked_company, answers):
    space, _ = asked_company
    for ask in (lambda: require_judge(space, judging()), lambda: judged_artifact(space, answers, judging())):
        with pytest.raises(ConfigError, match="set RAGLOOP_JUDGE_BASE_URL"):
            ask()


def test_answers_are_judged_once_and_what_it_took_is_told(asked_company, answers, server):
    space = keyed(asked_company[0], server)
    made = judged_artifact(space, answers, judging())
    report, n_asked = load_judged(space.artifacts, made), len(server.requests)
    answerable = [given.sample.id for given in load_answers(space.artifacts, answers) if given.answerable]
    assert [answer.id for answer in report.answers] == answerable
    assert report.means()["faithfulness"] == 1  # it quotes
    assert report.spreads() == {"faithfulness": 0, "context_recall": 0}
    assert report.bill.requests == n_asked and report.stopped is None
    assert judged_artifact(space, answers, judging()) == made
    assert len(server.requests) == n_asked
    assert judged_artifact(space, answers, judging(repeats=1)) != made


def test_judgements_are_sealed_and_go_with_a_document(asked_company, answers, server):
    space = keyed(asked_company[0], server)
    made = judged_artifact(space, answers, judging())
    for path in space.artifacts.path(made).iterdir():
        assert b"faithfulness" not in path.read_bytes() or path.name == "manifest.json"
    doc_id = next(each.doc_id for given in load_answers(space.artifacts, answers) for each in given.citations)
    assert made in derived(space.artifacts, {doc_id}, set())


def test_an_outage_keeps_what_was_judged_is_said_aloud_and_gone_on_from(asked_company, answers, server, caplog):
    space, fields = keyed(asked_company[0], server), {"temperature": 0.5, "at_once": 1, "repeats": 2}
    at_once = load_judged(space.artifacts, judged_artifact(space, answers, judging(**fields, max_tokens=1999)))
    a_round = at_once.bill.requests // 2
    server.faults = [None] * (a_round + 5) + [refuses(401)] * 500
    first = load_judged(space.artifacts, judged_artifact(space, answers, judging(**fields)))
    assert "not all answers are judged: the judge refuses the key (401)" in caplog.text
    assert first.means() and first.missing() == at_once.missing()  # each was judged once
    server.faults = []
    second = load_judged(space.artifacts, judged_artifact(space, answers, judging(**fields)))
    assert (second.stopped, second.answers) == (None, at_once.answers)
    assert 0 < second.bill.requests - first.bill.requests < a_round  # what was judged once is asked once more at most
    n_asked = len(server.requests)
    judged_artifact(space, answers, judging(**fields))
    assert len(server.requests) == n_asked
