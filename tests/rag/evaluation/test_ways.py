"""The ways to answer, with real engines and a chat model that knows some facts."""

import pytest
from sqlmodel import select

from rag.answering.answer import Way
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.answering.rarity import Rarity
from rag.answering.support import Support
from rag.chat.data_artifact import load_examples
from rag.chat.example import ExampleKind, Source
from rag.chat.extraction import example
from rag.chat.serving import register_chat_model
from rag.corpus.document import DocumentText, Page
from rag.corpus.traces import derived
from rag.errors import NoChatModel
from rag.evaluation.asked import Group, evaluation_sample
from rag.evaluation.asking import trusts_chat_model
from rag.evaluation.comparison import compare_ways, data_of_chat_model, load_comparison
from rag.evaluation.router_artifact import calibrated, load_router, router_artifact
from rag.evaluation.way_artifact import load_way_report, way_artifact
from rag.evaluation.way_report import F1, HONEST
from rag.evaluation.ways import Said, scored
from rag.pairs.pair import Split
from rag.retrieval.artifact import load_index
from storage.tables import InteractionRow
from tests.rag.chat.tiny import save_tiny_chat
from tests.rag.evaluation.company_talk import SMOKE, SURE, stored_chat

TEXT = "The lamp of the Birk burns for 40 hours. Return it within 30 days."
SOURCE = Source(doc_id="d", document="birk.md", char_start=0, char_end=40)


@pytest.fixture(scope="module")
def support(company):
    space, _ = company
    return Support(Rarity(load_index(space.artifacts, space.registry.production("default").index)))


def worth(said, support, group=Group.TRAINED, expected="The lamp of the Birk burns for 40 hours."):
    """Score one answer."""
    source = None if group is Group.UNANSWERABLE else SOURCE
    asked = example(["How long does it burn?", expected], ExampleKind.QUESTION, Split.TRAIN, source=source)
    page = Page(page_no=1, char_start=0, char_end=len(TEXT))
    texts = {"d": DocumentText(name="birk.md", media_type="text/markdown", text=TEXT, pages=(page,))}
    (answer,) = scored([(group, asked)], [Said(said, Way.RAG)], texts, support)
    return answer


def test_the_right_answer_is_right_whatever_its_marks(support):
    answer = worth("The lamp of the Birk burns for 40 hours [1].", support)
    assert (answer.f1, answer.exact, answer.support, answer.made_up) == (1, 1, 1, False)
    assert answer.document == "birk.md"


def test_what_reads_like_the_answer_with_another_figure_is_made_up(support):
    answer = worth("The lamp of the Birk burns for 90 hours.", support)
    assert answer.f1 > 0.8 and answer.support == 0 and answer.made_up


def test_what_stands_beside_the_answer_makes_it_no_invention(support):
    answer = worth("The lamp of the Birk burns for 40 hours [1]. Kites fly over the harbour on Sundays [2].", support)
    assert 0 < answer.f1 < 0.8 and 0.4 < answer.support < 0.6 and not answer.made_up


def test_what_agrees_with_the_right_answer_in_other_words_than_the_source_is_not_made_up(support):
    answer = worth("Nearly two days of light.", support, expected="Nearly two days of light.")
    assert answer.exact == 1 and answer.support < 0.5 and not answer.made_up


@pytest.mark.parametrize("said", [NOT_IN_DOCUMENTS, f"{NOT_IN_DOCUMENTS} Ask someone."])
def test_a_refusal_is_right_only_where_there_is_no_answer(support, said):
    assert worth(said, support).metrics | {HONEST: 1} == dict.fromkeys(worth(said, support).metrics, 0) | {HONEST: 1}
    unknown = worth(said, support, Group.UNANSWERABLE, NOT_IN_DOCUMENTS)
    assert set(unknown.metrics.values()) == {1} and unknown.document == ""


@pytest.mark.parametrize("group", list(Group))
def test_who_does_not_answer_is_right_nowhere(support, group):
    answer = worth("", support, group)
    assert answer.metrics == dict.fromkeys(answer.metrics, 0) | {HONEST: 1}


def test_any_answer_to_what_cannot_be_answered_is_made_up(support):
    answer = worth("The documents do say a lot.", support, Group.UNANSWERABLE, NOT_IN_DOCUMENTS)
    assert answer.made_up and answer.f1 == 0


@pytest.fixture(scope="module")
def reports(company, speaking):
    """What each way made of the questions, with a chat model that is trusted where it is sure."""
    space, data = company
    router = {"chat_router": SURE.model_dump(mode="json")}
    trusting = speaking.model_copy(update={"lineage": speaking.lineage | router})
    compared = load_comparison(space.artifacts, compare_ways(space, trusting, data, SMOKE))
    return {report.way: report for report in compared}


def test_every_way_is_asked_the_same_in_groups(reports):
    assert list(reports) == ["closed-book", "rag", "hybrid", "routed"]
    assert len({tuple(answer.id for answer in report.answers) for report in reports.values()}) == 1
    asked = [Group.TRAINED, Group.VARIED, Group.UNTRAINED, Group.UNANSWERABLE]
    assert all(report.groups == asked for report in reports.values())


def test_from_memory_comes_what_was_taught_and_for_the_rest_inventions(reports):
    memory, passages = reports["closed-book"], reports["rag"]
    assert memory.means(Group.TRAINED)[F1] > 0.7 > 0.3 > memory.means(Group.UNTRAINED)[F1]
    assert memory.made_up(Group.UNTRAINED) > 0.8 > passages.made_up(Group.UNTRAINED)
    assert {answer.way for answer in memory.answers} == {Way.CLOSED_BOOK}
    assert all(0 < answer.confidence <= 1 for answer in memory.answers)


def test_a_routed_answer_tells_which_way_it_came(reports):
    ways = {answer.way for answer in reports["routed"].answers}
    assert Way.CLOSED_BOOK in ways and ways <= {Way.CLOSED_BOOK, Way.RAG}
    assert reports["routed"].from_memory(Group.TRAINED) > reports["routed"].from_memory(Group.UNANSWERABLE)


def test_time_and_memory_are_told(reports):
    for report in reports.values():
        assert 0 < report.latency_ms(50) <= report.latency_ms(95)
        assert report.serving_bytes > 0
    timed = [answer for answer in reports["closed-book"].answers if answer.latency_ms is not None]
    assert 0 < len(timed) <= SMOKE.chat.compare.timed
    assert all(answer.latency_ms for answer in reports["rag"].answers)


def test_measuring_is_no_use_and_leaves_no_interaction(company, reports):
    with company[0].database.reading() as session:
        assert session.exec(select(InteractionRow)).all() == []


def test_answers_are_sealed_asked_once_and_go_with_a_document(company, speaking, reports):
    space, data = company
    sample = evaluation_sample(space, speaking, data, SMOKE)
    made = way_artifact(space, speaking, Way.RAG, sample, SMOKE)
    report = load_way_report(space.artifacts, made)
    assert report.answers == reports["rag"].answers  # the times too: nothing was asked again
    for path in space.artifacts.path(made).iterdir():
        assert b"warranty" not in path.read_bytes()
    doc_id = next(each.source.doc_id for each in load_examples(space.artifacts, data) if each.source)
    assert made in derived(space.artifacts, {doc_id}, set())


def test_who_trusts_no_chat_model_answers_from_passages(company, speaking):
    space, data = company
    sample = evaluation_sample(space, speaking, data, SMOKE)
    assert not trusts_chat_model(speaking)
    assert way_artifact(space, speaking, None, sample, SMOKE) == way_artifact(space, speaking, Way.RAG, sample, SMOKE)


def test_a_chat_model_that_learned_without_passages_is_not_asked_with_them(company, chat):
    space, data = company
    without = register_chat_model(space, "default", stored_chat(space, chat, data, grounded=False), SMOKE)
    assert data_of_chat_model(space, without, SMOKE) == data
    ways = [report.way for report in load_comparison(space.artifacts, compare_ways(space, without, data, SMOKE))]
    assert ways == ["closed-book", "rag", "routed"]


def test_a_chat_model_that_breaks_down_over_passages_refuses_nothing(company, tmp_path):
    space, data = company
    short = stored_chat(space, save_tiny_chat(tmp_path / "short", steps=0, context=24), data)
    release = register_chat_model(space, "default", short, SMOKE)
    sample = evaluation_sample(space, release, data, SMOKE)
    report = load_way_report(space.artifacts, way_artifact(space, release, Way.HYBRID, sample, SMOKE))
    silent = [answer for answer in report.answers if not answer.said]
    assert Group.UNANSWERABLE in {answer.group for answer in silent}
    assert {(answer.way, answer.f1, answer.made_up) for answer in silent} == {(Way.HYBRID, 0, False)}


def test_without_a_chat_model_there_is_no_memory_to_ask(company, speaking):
    space, data = company
    production = space.registry.production("default")
    with pytest.raises(NoChatModel, match="ragloop chat train"):
        way_artifact(space, production, Way.CLOSED_BOOK, evaluation_sample(space, speaking, data, SMOKE), SMOKE)
    with pytest.raises(NoChatModel, match="ragloop chat train"):
        compare_ways(space, production, data, SMOKE)


def test_what_confidence_is_worth_is_learned_on_validation_questions_alone(company, speaking):
    space, data = company
    made = router_artifact(space, speaking, data, SMOKE)
    facts, router = space.artifacts.facts(made), load_router(space.artifacts, made)
    assert facts["questions"] == sum(each.split is Split.VALIDATION for each in load_examples(space.artifacts, data))
    assert (facts["threshold"], facts["trusted"] > 0) == (router.threshold, router.threshold is not None)
    assert router_artifact(space, speaking, data, SMOKE) == made


def test_that_it_knows_when_not_to_answer_makes_no_answer_of_it_trusted(reports):
    """Where it refuses, passages answer; a router that gives it credit for that trusts what is worth less."""
    one = reports["closed-book"].answers[0].model_copy(update={"confidence": 0.9, "made_up": False})
    refused = one.model_copy(update={"said": NOT_IN_DOCUMENTS, "f1": 1.0})
    pairs = [(one.model_copy(update={"f1": 0.2}), one.model_copy(update={"f1": 0.6}))] * 30
    pairs += [(refused, one.model_copy(update={"f1": 0.0}))] * 60
    assert not calibrated(pairs).trusts(0.9)
    assert calibrated([(theirs, mine) for mine, theirs in pairs[:30]]).trusts(0.9)


def pairs_of(one, group, n, mine, theirs):
    """So many questions of a group, what the two answers to each are worth."""
    return [tuple(one.model_copy(update={"group": group, "f1": f1}) for f1 in (mine, theirs))] * n


def test_each_group_counts_alike_in_what_is_trusted(reports):
    one = reports["closed-book"].answers[0].model_copy(update={"confidence": 0.9, "made_up": False})
    better = pairs_of(one, Group.VARIED, 60, 0.8, 0.6)
    worse = pairs_of(one, Group.UNTRAINED, 20, 0.0, 0.5)
    assert not calibrated(better + worse).trusts(0.9)

    # Of a group that it mostly refuses to answer, the few answers count little.
    refused = one.model_copy(update={"group": Group.UNTRAINED, "said": NOT_IN_DOCUMENTS, "f1": 0.0})
    assert calibrated(better + worse + [(refused, refused)] * 80).trusts(0.9)
