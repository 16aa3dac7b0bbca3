"""The page that Prefect keeps: the same, without a word of a question or a passage."""

import re

from rag.report.facts import release_report
from rag.report.markdown import ROWS, markdown_page, table_markdown
from rag.report.section import Table
from rag.report.texts import load_texts
from tests.rag.report.parts import HOSTILE_NAME

LINKS = {"the run that made it": "http://127.0.0.1/runs/1"}


def test_no_question_and_no_passage_is_in_it(parts):
    for release in (parts.first, parts.kept, parts.better):
        report = release_report(parts.space, release)
        page = re.sub(r"data:image/png;base64,[\w+/=]+", "", markdown_page(report, LINKS))
        texts = load_texts(parts.space, report)
        if report.judgement:
            assert texts.questions and texts.chunks
        for pair in texts.questions.values():
            assert pair.anchor not in page and pair.answer not in page
            code = re.search(r"[A-Z]{3}\d{4}", pair.anchor)[0]
            assert code not in page
        assert "drawer" not in page


def test_it_has_the_verdict_the_pictures_and_the_ids(parts):
    report = release_report(parts.space, parts.better)
    page = markdown_page(report, LINKS)
    assert page.startswith("# Release 3 of default: promoted\n\nPromoted in the place of release 1: mrr@10 rose")
    assert "[the run that made it](http://127.0.0.1/runs/1)" in page
    assert page.count("(data:image/png;base64,") == 5
    own, before = report.reports
    risen = [q.id for q in own.questions if q.metrics["mrr@10"] == 1.0 and old(before, q.id)["mrr@10"] < 1]
    assert risen and any(each in page for each in risen)


def old(report, question_id):
    return next(q.metrics for q in report.questions if q.id == question_id)


def test_names_are_text_in_markdown_too(parts):
    page = markdown_page(release_report(parts.space, parts.better))
    assert HOSTILE_NAME not in page and "<img" not in page
    assert r"&lt;img src=x onerror=alert(1)&gt; $\\frac{1 \| \`b\`.md" in page
    table = markdown_page(release_report(parts.space, parts.better)).partition("By document")[2]
    rows = [line.replace(r"\|", "") for line in table.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows[:10]} == {6}


def test_a_long_table_is_shortened_in_its_middle():
    table = Table("many", [{"document": f"d{n}", "gain": f"{n / 100:+.3f}"} for n in range(ROWS + 7)])
    said = table_markdown(table)
    assert said.startswith("| document | gain |\n| --- | ---: |\n| d0 |")
    assert said.endswith("7 rows in the middle are left out.")
    assert said.count("\n| d") == ROWS and f"| d{ROWS + 6} |" in said and f"| d{ROWS // 2} |" not in said
