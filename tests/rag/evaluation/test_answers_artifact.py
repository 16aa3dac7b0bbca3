"""A release answers its evaluation set, with real engines and a loopback Groq."""

import pytest
from sqlmodel import select

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.config import AnswerModelConfig, GeneratorKind
from rag.corpus.traces import derived
from rag.errors import EmptyCorpus, NoChatModel, NoGenerator
from rag.evaluation.answers import CITATION_RECALL, REFUSED, AnswerSet
from rag.evaluation.answers_artifact import answer_set, answers_artifact, load_answers, load_answers_report
from rag.evaluation.sets import load_questions
from rag.evaluation.string_metrics import RECALL
from rag.evaluation.way_report import F1, SUPPORT
from rag.pairs.pair import Origin
from storage.tables import InteractionRow
from tests.groq_server import refuses, serving
from tests.rag.evaluation.asked_company import CONFIG, keyed


def impatient(passages):
    """Return a config of its own answers, by so many passages, that waits for nobody for long."""
    changes = {"passages": passages, "breaker_s": 0.05, "llm": AnswerModelConfig(max_wait_s=2)}
    return CONFIG.model_copy(update={"answering": CONFIG.answering.model_copy(update=changes)})


@pytest.fixture(scope="module")
def release(asked_company):
    """What serves."""
    return asked_company[0].registry.production("default")


@pytest.fixture(scope="module")
def asked(asked_company):
    """What is asked."""
    space, evaluation_set = asked_company
    return answer_set(space.artifacts, evaluation_set, CONFIG)


@pytest.fixture(scope="module")
def answers(asked_company, release, asked):
    """What the extractive generator answers, by reference."""
    return answers_artifact(asked_company[0], release, asked, CONFIG, GeneratorKind.EXTRACTIVE)


def test_evaluation_questions_are_asked_and_some_that_nothing_answers(asked_company, asked):
    space, evaluation_set = asked_company
    first = [pair.id for pair in load_questions(space.artifacts, evaluation_set)[:12]]
    assert [each.sample.id for each in asked.questions if each.answerable] == first
    assert sum(not each.answerable for each in asked.questions) == 10


def test_answers_are_worth_something_and_what_it_took_is_told(asked_company, answers):
    report = load_answers_report(asked_company[0].artifacts, answers)
    means = report.means()
    assert 0 < means[F1] < 1 and 0 < means[CITATION_RECALL] <= 1 and 0 < means[RECALL] <= 1
    assert means[SUPPORT] == 1  # it quotes
    assert report.refusals.asked == 10 and report.refusals.refused > 5 > 12 * means[REFUSED]
    assert {*report.generators} == {"extractive"}
    assert 0 < report.latency_ms("retrieval", 50) <= report.latency_ms("total", 50) <= report.latency_ms("total", 95)
    assert report.memory_bytes > 0 and (report.bills, report.cost_usd, report.left_out) == ({}, 0, 0)
    assert report.means(Origin.REAL) and not report.means(Origin.FEEDBACK)


def test_answers_are_kept_with_their_passages_and_references(asked_company, answers):
    given = load_answers(asked_company[0].artifacts, answers)
    (one, *_) = [each for each in given if each.answerable and each.citations]
    assert one.sample.answer and "[1]" not in one.sample.answer
    assert 0 < len(one.sample.contexts) <= CONFIG.answering.passages
    assert one.sample.reference and one.sample.reference_contexts
    refused = [each for each in given if each.sample.answer == NOT_IN_DOCUMENTS]
    assert all(not each.citations for each in refused)


def test_nothing_is_asked_twice_and_nothing_is_recorded(asked_company, release, asked, answers):
    space, _ = asked_company
    assert answers_artifact(space, release, asked, CONFIG, GeneratorKind.EXTRACTIVE) == answers
    with space.database.reading() as session:
        assert session.exec(select(InteractionRow)).all() == []


def test_answers_are_sealed_and_go_with_a_document(asked_company, asked, answers):
    space, _ = asked_company
    for path in space.artifacts.path(answers).iterdir():
        content = path.read_bytes()
        assert not any(each.sample.question.encode() in content for each in asked.questions)
        assert b"warranty" not in content
    doc_id = asked.questions[0].pair.doc_id
    assert answers in derived(space.artifacts, {doc_id}, set())


def test_a_language_model_is_paid_and_what_it_costs_is_told(asked_company, release, asked):
    space, _ = asked_company
    with serving() as groq:
        made = answers_artifact(keyed(space, groq), release, asked, CONFIG, GeneratorKind.GROQ)
        report = load_answers_report(space.artifacts, made)
    (name,) = report.generators
    bill = report.bills[name]
    assert name == "groq/openai/gpt-oss-20b" and bill.requests == len(groq.requests)
    assert (bill.tokens_in, bill.tokens_out) == (groq.tokens_in, groq.tokens_out)
    assert report.cost_usd == pytest.approx((bill.tokens_in * 0.075 + bill.tokens_out * 0.30) / 1e6, abs=1e-6)


def test_a_limit_that_passes_is_waited_for(asked_company, release, asked):
    space, _ = asked_company
    with serving() as groq:
        groq.faults = [None, None, None, refuses(429, headers={"retry-after": "1"}), refuses(503)]
        made = answers_artifact(keyed(space, groq), release, asked, impatient(passages=4), GeneratorKind.GROQ)
    report = load_answers_report(space.artifacts, made)
    assert {*report.generators} == {"groq/openai/gpt-oss-20b"} and not groq.faults
    assert all(answer.refused or answer.generator for answer in report.answers)


def test_an_outage_is_no_answer_and_what_was_paid_for_is_kept_sealed_and_gone_on_from(asked_company, release, asked):
    space, evaluation_set = asked_company
    before, scratches = space.artifacts.refs(), space.artifacts.path(evaluation_set).parents[1] / ".scratch"
    with serving() as groq:
        groq.faults = [None] * 4 + [refuses(401)] * 500
        with pytest.raises(NoGenerator, match="RAGLOOP_GROQ_API_KEY"):
            answers_artifact(keyed(space, groq), release, asked, impatient(passages=3), GeneratorKind.GROQ)
    assert space.artifacts.refs() == before
    kept = [*scratches.glob("*/*.answer")]
    assert len(kept) >= 3
    assert not any(b"warranty" in path.read_bytes() for path in scratches.glob("*/*"))
    with serving() as groq:
        made = answers_artifact(keyed(space, groq), release, asked, impatient(passages=3), GeneratorKind.GROQ)
        spoken = [answer for answer in load_answers_report(space.artifacts, made).answers if answer.generator]
        (bill,) = load_answers_report(space.artifacts, made).bills.values()
        # Each run asks its first question twice; one that nothing is found for is asked of nobody.
        assert len(spoken) < 4 + len(groq.requests) <= len(spoken) + 2
    assert bill.requests == 4 + len(groq.requests) and len(load_answers(space.artifacts, made)) == len(asked.questions)
    assert not any(path.exists() for path in kept)


def test_a_question_that_suits_nobody_is_counted_apart_and_stops_no_other(asked_company, release, asked):
    space, _ = asked_company
    # One for which the passages are evidence enough, so that somebody is asked; their order is another in each run.
    first = next(each for each in asked.questions if "night quiet" in each.sample.question)
    others = [each for each in asked.questions if each is not first]
    long = first.sample.model_copy(update={"question": f"{first.sample.question} " * 60})
    narrow = impatient(passages=2)
    narrow = narrow.model_copy(update={"answering": narrow.answering.model_copy(update={"prompt_tokens": 900})})
    mixed = AnswerSet(questions=(first.model_copy(update={"sample": long}), *others[:3]))
    with serving() as groq:
        made = answers_artifact(keyed(space, groq), release, mixed, narrow, GeneratorKind.GROQ)
        report = load_answers_report(space.artifacts, made)
        assert [answer.unanswered for answer in report.answers] == [True, False, False, False]
        assert space.artifacts.facts(made)["unanswered"] == 1 and groq.requests
        alone = AnswerSet(questions=mixed.questions[:1])
        with pytest.raises(NoGenerator, match="any of the 1 questions.*answering.generators"):
            answers_artifact(keyed(space, groq), release, alone, narrow, GeneratorKind.GROQ)


def test_who_cannot_answer_is_one_clear_line(asked_company, release, asked):
    space, _ = asked_company
    with pytest.raises(NoGenerator, match="no key for Groq: set RAGLOOP_GROQ_API_KEY"):
        answers_artifact(space, release, asked, CONFIG, GeneratorKind.GROQ)
    with pytest.raises(NoChatModel, match="train one with `ragloop chat train`"):
        answers_artifact(space, release, asked, CONFIG, GeneratorKind.CHAT_MODEL)


def test_questions_of_other_documents_are_left_out_and_without_any_it_is_said(asked_company, release, asked):
    space, _ = asked_company
    lost = [
        each.model_copy(update={"pair": each.pair.model_copy(update={"doc_id": "0" * 32})})
        for each in asked.questions
        if each.pair
    ]
    half = AnswerSet(questions=(*lost[:3], *asked.questions[3:]))
    made = answers_artifact(space, release, half, CONFIG, GeneratorKind.EXTRACTIVE)
    report = load_answers_report(space.artifacts, made)
    assert (report.left_out, len(report.answers)) == (3, len(asked.questions) - 3)
    with pytest.raises(EmptyCorpus, match="ragloop pairs import"):
        answers_artifact(space, release, AnswerSet(questions=tuple(lost)), CONFIG, GeneratorKind.EXTRACTIVE)
