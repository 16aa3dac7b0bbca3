import json
import threading
import time

import pytest

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.config import JudgeConfig, JudgeMetric, JudgeProvider
from rag.errors import ConfigError, LanguageModelUnavailable
from rag.evaluation.judge import JudgeEndpoint
from rag.evaluation.ragas_judge import judge_answers
from rag.evaluation.sample import EvaluationSample
from rag.settings import Settings
from tests.groq_server import refuses, sends, serving
from tests.simple_judge import MoodyJudge, asked, judged

WARRANTY = "The warranty of the pump lasts three years. It covers all moving parts."
OPENING = "The shop in Leeds opens at nine. On Sundays it stays closed."
GOOD = EvaluationSample(
    id="good",
    question="How long does the warranty of the pump last?",
    answer="The warranty of the pump lasts three years.",
    contexts=(WARRANTY, OPENING),
    reference="The warranty of the pump lasts three years.",
)
INVENTED = EvaluationSample(
    id="invented",
    question="When does the shop in Leeds open?",
    answer="The shop in Leeds opens at nine. The king lives there.",
    contexts=(WARRANTY, OPENING),
    reference="The shop in Leeds opens at nine. On Mondays it opens at ten.",
)
FIELDS = {"model": "a-judge", "repeats": 2, "attempts": 2, "backoff_s": 0, "timeout_s": 10}
QUICK = JudgeConfig(provider=JudgeProvider.OPENAI_COMPATIBLE, **FIELDS)


@pytest.fixture
def server():
    with serving() as server:
        server.write = judged
        yield server


@pytest.fixture
def judge(server, encoder):
    """Judge samples with the server, the config changed as given."""

    def call(*samples, **changes):
        config = JudgeConfig(provider=JudgeProvider.OPENAI_COMPATIBLE, **FIELDS | changes)
        return judge_answers(samples, endpoint(config, judge_base_url=f"{server.url}/openai/v1"), config, encoder)

    return call


def endpoint(config=QUICK, **settings):
    return JudgeEndpoint.of(config, Settings(_env_file=None, **settings))


def failed(report):
    return report.bill.requests - report.bill.answered


def only(*metrics):
    return {"metrics": metrics}


def test_judges_by_all_metrics_and_reports_what_it_took(judge, server):
    report = judge(GOOD, INVENTED)
    good, invented = report.answers
    assert good.metrics == {
        "faithfulness": 1,
        "answer_relevancy": good.metrics["answer_relevancy"],
        "context_precision": 1,
        "context_recall": 1,
        "factual_correctness": 1,
    }
    assert good.metrics["answer_relevancy"] > 0.5
    assert invented.metrics["faithfulness"] == 0.5  # no passage tells of the king
    assert invented.metrics["context_precision"] == 0.5  # the useful passage is the second
    assert invented.metrics["context_recall"] == 0.5
    assert invented.metrics["factual_correctness"] == 0.5
    assert report.means()["faithfulness"] == 0.75
    assert set(report.missing().values()) == {0}
    # Two statements, three questions, one verdict a passage, one recall, four for the claims of both answers.
    assert report.bill.requests == len(server.requests) == 2 * 2 * (2 + 3 + 2 + 1 + 4)
    assert (report.bill.tokens_in, report.bill.tokens_out) == (server.tokens_in, server.tokens_out)
    assert (failed(report), report.bill.unmetered, report.cost_usd, report.stopped) == (0, 0, None, None)


def test_a_judge_that_is_sure_has_no_spread(judge):
    report = judge(GOOD, repeats=3, **only("faithfulness"))
    assert report.answers[0].judgements["faithfulness"].values == (1, 1, 1)
    assert report.spreads() == {"faithfulness": 0}


def test_a_judge_that_changes_its_mind_has_a_spread(judge, server):
    server.write = MoodyJudge()
    report = judge(GOOD, repeats=4, at_once=1, **only("context_recall"))
    judgement = report.answers[0].judgements["context_recall"]
    assert judgement.values == (1, 0, 1, 0)
    assert (judgement.mean, judgement.spread) == (0.5, pytest.approx(0.5774, abs=1e-4))
    assert report.spreads() == {"context_recall": judgement.spread}


def test_one_repeat_tells_no_spread(judge):
    assert judge(GOOD, repeats=1, **only("faithfulness")).spreads() == {}


def test_what_no_judge_was_asked_says_nothing_of_how_sure_it_is(judge, server):
    server.write = MoodyJudge()
    found_nothing = GOOD.model_copy(update={"id": "nothing", "contexts": ()})
    report = judge(GOOD, found_nothing, repeats=4, at_once=1, **only("context_recall"))
    asked_of, settled = (answer.judgements["context_recall"] for answer in report.answers)
    assert (settled.values, settled.mean, settled.spread) == ((0,), 0, None)
    assert report.spreads() == {"context_recall": asked_of.spread}


def test_a_noncommittal_answer_is_not_relevant(judge):
    evasive = GOOD.model_copy(update={"answer": "I cannot say."})
    assert judge(evasive, **only("answer_relevancy")).means() == {"answer_relevancy": 0}


def test_a_refusal_answers_nothing_and_claims_nothing(judge, server):
    refusal = GOOD.model_copy(update={"answer": NOT_IN_DOCUMENTS})
    report = judge(refusal, **only("answer_relevancy", "factual_correctness", "faithfulness"))
    assert report.means() == {"answer_relevancy": 0, "factual_correctness": 0}
    assert report.answers[0].judgements["faithfulness"].reason == "not asked: a refusal claims nothing"
    assert not server.requests


NONSENSE = [
    "I like bananas.",
    "{}",
    "[1]",
    '{"statements": []}',
    '{"statements": [{"statement": "s", "reason": "r", "verdict": 7}]}',
    '{"statements": "all"}',
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_nonsense_about_one_question_is_missing_there_and_no_zero(judge, server, nonsense):
    def write(messages):
        wanted, given = asked(messages)
        odd = wanted == "NLIStatementOutput" and "king" in json.dumps(given)
        return nonsense if odd else judged(messages)

    server.write = write
    report = judge(GOOD, INVENTED, **only("faithfulness"))
    assert report.means() == {"faithfulness": 1}
    assert report.missing() == {"faithfulness": 1}
    judgement = report.answers[1].judgements["faithfulness"]
    assert (judgement.values, judgement.missing, judgement.mean, judgement.spread) == ((), 2, None, None)
    assert "\n" not in judgement.reason
    assert failed(report) == 2 * 2  # both repeats, asked twice


@pytest.mark.parametrize(
    ("metric", "nonsense"),
    [
        ("answer_relevancy", '{"question": " ", "noncommittal": 0}'),
        ("answer_relevancy", '{"question": "Why?", "noncommittal": 3}'),
        ("context_precision", '{"reason": "r", "verdict": -1}'),
        ("context_recall", '{"classifications": []}'),
        ("context_recall", '{"classifications": [{"statement": "s", "reason": "r", "attributed": 9}]}'),
        ("factual_correctness", '{"claims": []}'),
    ],
)
def test_answers_that_ragas_would_take_for_a_score_are_missing(judge, server, metric, nonsense):
    server.write = lambda messages: nonsense
    report = judge(GOOD, **only(metric))
    assert (report.means(), report.missing()) == ({}, {metric: 1})


def test_a_judge_of_nothing_but_nonsense_is_soon_asked_no_further(judge, server):
    server.write = lambda messages: "bananas"
    samples = [GOOD.model_copy(update={"id": str(i)}) for i in range(30)]
    report = judge(*samples)
    assert "in a row got no judgement" in report.stopped
    assert "judge.model" in report.stopped
    assert report.missing() == dict.fromkeys(JudgeMetric, 30)
    assert len(server.requests) < 40


def test_a_question_on_which_the_judge_hangs_is_missing_and_the_others_are_judged(judge, server):
    over = threading.Event()

    def write(messages):
        if "king" in json.dumps(asked(messages)[1]):
            over.wait(20)
        return judged(messages)

    server.write = write
    report = judge(GOOD, INVENTED, timeout_s=5, attempts=1, **only("faithfulness"))
    over.set()
    assert report.means() == {"faithfulness": 1}
    assert report.answers[1].judgements["faithfulness"].reason == "no answer within 5 s"
    assert report.bill.unmetered == 2


def test_a_judge_that_hangs_from_the_beginning_is_one_clear_line(judge, server):
    over = threading.Event()
    server.write = lambda messages: str(over.wait(20))
    with pytest.raises(LanguageModelUnavailable, match=r"^the judge gives no answer: no answer within 0.5 s: check"):
        judge(GOOD, timeout_s=0.5, attempts=1, **only("faithfulness"))
    over.set()


def test_what_fails_once_is_asked_again(judge, server):
    server.faults = [refuses(503), refuses(429, headers={"retry-after": "0"}), sends("<html>busy</html>")]
    server.faults.append(refuses(400, code="json_validate_failed"))
    report = judge(GOOD, attempts=5, at_once=1, repeats=1, **only("faithfulness"))
    assert report.means() == {"faithfulness": 1}
    assert (report.bill.requests, failed(report), report.bill.retries) == (6, 4, 4)


def test_a_judge_that_goes_away_midway_leaves_what_it_judged(judge, server):
    samples = [GOOD.model_copy(update={"id": str(i)}) for i in range(20)]
    server.faults = [None] * 20 + [refuses(401)] * 200
    report = judge(*samples, repeats=1, at_once=1, **only("faithfulness"))
    assert report.stopped == "the judge refuses the key (401): check RAGLOOP_JUDGE_API_KEY"
    assert report.means() == {"faithfulness": 1}
    assert report.missing() == {"faithfulness": 10}
    assert report.bill.requests == 21


def test_a_judge_that_comes_back_is_asked_only_what_it_has_not_judged(server, encoder):
    there, config = endpoint(judge_base_url=f"{server.url}/openai/v1"), QUICK.model_copy(update={"at_once": 1})
    config = config.model_copy(update={"metrics": (JudgeMetric.CONTEXT_RECALL,)})
    samples = [GOOD.model_copy(update={"id": str(i)}) for i in range(6)]
    server.faults = [None] * 8 + [refuses(401)] * 20  # in the midst of the second round
    first = judge_answers(samples, there, config, encoder)
    server.faults, n_asked = [], len(server.requests)
    second = judge_answers(samples, there, config, encoder, first)
    assert first.stopped and not second.stopped
    assert [len(answer.judgements["context_recall"].values) for answer in first.answers] == [2, 2, 1, 1, 1, 1]
    assert all(answer.judgements["context_recall"].values == (1, 1) for answer in second.answers)
    assert len(server.requests) - n_asked == 4
    assert second.bill.requests == len(server.requests)  # what both took


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (refuses(401), r"refuses the key \(401\): check RAGLOOP_JUDGE_API_KEY"),
        (refuses(404), "has no model a-judge: set another in judge.model"),
        (refuses(429, headers={"retry-after": "9000"}), "asks to wait 9000 s"),
        (refuses(500), "gives no answer: .*500"),
        (refuses(400, code="no_such_mode"), r"gives no answer: .*error 400 \(no_such_mode\)"),
    ],
)
def test_a_judge_that_never_answers_is_one_clear_line(judge, server, fault, message):
    server.faults = [fault] * 50
    with pytest.raises(LanguageModelUnavailable, match=message) as caught:
        judge(GOOD)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fault", [400, 413, 500])
def test_what_a_judge_repeats_of_a_question_goes_into_no_message(judge, server, fault):
    server.faults = [refuses(fault, f"I will not read: {GOOD.question}", code=f"bad input: {WARRANTY}")] * 50
    with pytest.raises(LanguageModelUnavailable, match=rf"error {fault} \(x\)") as caught:
        judge(GOOD)
    assert "warranty" not in str(caught.value)


def test_a_judge_out_of_reach_is_one_clear_line(encoder):
    there = endpoint(judge_base_url="http://127.0.0.1:9/v1")
    with pytest.raises(LanguageModelUnavailable, match="127.0.0.1:9/v1 cannot be reached .*: check its address"):
        judge_answers([GOOD], there, QUICK, encoder)


def test_no_more_are_asked_at_once_than_the_config_says(judge, server):
    lock, busy, most = threading.Lock(), [0], [0]

    def write(messages):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.02)
        with lock:
            busy[0] -= 1
        return judged(messages)

    server.write = write
    judge(GOOD, INVENTED, at_once=3)
    assert most[0] == 3


def test_what_the_sample_lacks_is_missing_and_not_asked_for(judge, server):
    unknown = EvaluationSample(id="q", question="Why?", reference="so")
    report = judge(unknown, GOOD.model_copy(update={"contexts": ()}), **only("faithfulness", "context_recall"))
    assert report.missing() == {"faithfulness": 2, "context_recall": 1}
    assert report.answers[0].judgements["faithfulness"].reason == "not asked: the question has no response"
    assert report.answers[1].metrics["context_recall"] == 0  # searched, and found nothing
    assert not server.requests


def test_groq_is_asked_at_its_own_path_with_its_key_and_price(server, encoder):
    config = JudgeConfig(provider=JudgeProvider.GROQ, metrics=(JudgeMetric.CONTEXT_RECALL,))
    report = judge_answers([GOOD], endpoint(config, groq_api_key="k", groq_base_url=server.url), config, encoder)
    assert report.model == "openai/gpt-oss-20b" == server.requests[0]["model"]
    assert server.requests[0]["reasoning_effort"] == "low"
    assert server.requests[0]["temperature"] == config.temperature
    assert report.cost_usd == pytest.approx((server.tokens_in * 0.075 + server.tokens_out * 0.30) / 1e6, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "settings", "remedy"),
    [
        ({"provider": "none"}, {}, "set judge.provider"),
        ({"provider": "groq"}, {}, "RAGLOOP_GROQ_API_KEY"),
        ({}, {}, "RAGLOOP_JUDGE_BASE_URL"),
        ({}, {"judge_base_url": "localhost:11434"}, r"set RAGLOOP_JUDGE_BASE_URL to http"),
        ({}, {"judge_base_url": "http://host:port/v1"}, r"set RAGLOOP_JUDGE_BASE_URL to http"),
        ({"model": None}, {"judge_base_url": "http://127.0.0.1:1/v1"}, "set judge.model"),
    ],
)
def test_a_judge_that_is_not_set_up_is_one_clear_line(changes, settings, remedy):
    with pytest.raises(ConfigError, match=remedy):
        endpoint(JudgeConfig(**{"provider": "openai-compatible", "model": "a-judge"} | changes), **settings)


def test_the_key_is_shown_nowhere():
    there = endpoint(judge_base_url="http://127.0.0.1:1/v1", judge_api_key="secret-key")
    assert "secret-key" not in repr(there)
