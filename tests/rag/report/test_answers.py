"""The page about the release of a chat model: what it answered in each way."""

import re
from types import SimpleNamespace

import pytest

from rag.chat.serving import register_chat_model
from rag.evaluation.chat_judgement import judge_chat_candidate
from rag.evaluation.comparison import compare_ways
from rag.evaluation.way_report import ROUTED
from rag.report.facts import release_report
from rag.report.html import release_page
from rag.report.markdown import markdown_page
from tests.rag.evaluation.company_talk import SMOKE, SURE, open_company, save_chat, stored_chat, taught
from tests.rag.report.page import Page


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A home in which a chat model was compared and judged."""
    space = open_company(tmp_path_factory.mktemp("talk"))
    data = taught(space)
    model = stored_chat(space, save_chat(tmp_path_factory.mktemp("chat")), data)
    candidate = register_chat_model(space, "default", model, SMOKE, SURE)
    against = space.registry.production("default")
    comparison = compare_ways(space, candidate, data, SMOKE)
    verdict = judge_chat_candidate(space, candidate, against, data, SMOKE)
    release = space.registry.get("default", candidate.id)
    return SimpleNamespace(space=space, release=release, verdict=verdict, comparison=comparison)


def test_it_shows_each_way_that_was_compared(talk):
    report = release_report(talk.space, talk.release)
    assert [each.way for each in report.ways][-1] == ROUTED
    assert len(report.ways) == len(talk.comparison.answers)
    page = Page(release_page(talk.space, talk.release))
    names = [each["id"] for each in page.all("section") if "id" in each]
    assert names == [
        "decision",
        "changes",
        "gains",
        "ways",
        "slices",
        "documents",
        "questions",
        "floors",
        "cost",
        "lineage",
        "history",
    ]
    assert f"{talk.verdict.reason}." in page.said
    assert "Ways to answer" in page.said and "p95 ms" in page.said
    unanswerable = next(row for row in page.rows if row[0] == "not in the documents" and len(row) == 6)
    assert unanswerable[2] == "0" and "[" not in unanswerable[-1]


def test_its_examples_are_answers_and_only_the_file_has_them(talk):
    report = release_report(talk.space, talk.release)
    own, before = report.answers
    others = {answer.id: answer for answer in before.of(None)}
    best = max(own.of(None), key=lambda answer: answer.f1 - others[answer.id].f1)
    assert best.f1 > others[best.id].f1
    said = Page(release_page(talk.space, talk.release)).said
    for text in (best.question, best.expected, best.said, others[best.id].said):
        assert " ".join(text.split()) in said
    page = re.sub(r"data:image/png;base64,[\w+/=]+", "", markdown_page(report))
    assert best.id in page
    for answer in (*own.answers, *before.answers):
        for text in (answer.question, answer.expected, answer.said):
            assert not text or text not in page
