"""The file that a person opens: whole, harmless whatever is quoted in it, and in need of nothing else."""

import base64
import io
import re
from dataclasses import replace

import pytest
from PIL import Image

from rag.evaluation.gate import refusal_loss
from rag.evaluation.report import Refusals
from rag.report.facts import SHOWN, release_report
from rag.report.html import POLICY, html_page, release_page
from rag.report.rankings import ranking_sections
from rag.report.sections import headline, sentence
from rag.report.texts import load_texts
from storage.artifacts import ArtifactRef
from tests.rag.report.page import Page
from tests.rag.report.parts import CONFIG, HOSTILE_NAME, copied, judged

TITLES = (
    "Decision",
    "What changed",
    "Paired differences",
    "By type and origin",
    "By document",
    "Changes of rank",
    "Regressions and gains",
    "Floors",
    "What it cost",
    "Lineage",
    "History",
)


@pytest.fixture(scope="session")
def pages(parts):
    return {name: release_page(parts.space, getattr(parts, name)) for name in ("first", "kept", "better")}


def test_both_verdicts_are_told_in_one_sentence_with_their_numbers(parts, pages):
    for name, begin in (("kept", "Kept out, release 1 stayed: "), ("better", "Promoted in the place of release 1: ")):
        verdict = parts.space.registry.evaluations(getattr(parts, name).id)[-1]
        assert f"{begin}{verdict.reason}." in Page(pages[name]).said


def test_it_tells_what_came_of_a_verdict(parts, tmp_path):
    space = copied(parts, tmp_path)
    report = release_report(space, parts.better)
    failed = replace(report, changes=[each for each in report.changes if each.release_id != parts.better.id])
    assert headline(failed) == "to be promoted, did not serve"
    assert sentence(failed).startswith("To be promoted in the place of release 1, did not serve: mrr@10 rose")
    assert headline(release_report(space, parts.kept)) == "kept out"
    space.registry.promote("default", parts.kept.id, "promoted by hand")
    by_hand = release_report(space, space.registry.get("default", parts.kept.id))
    assert headline(by_hand) == "kept out, promoted since"
    assert sentence(by_hand).endswith(". Promoted since: promoted by hand.")
    assert headline(release_report(space, space.registry.get("default", parts.better.id))) == "promoted"


def test_the_history_shows_the_last_releases(parts, tmp_path):
    space = copied(parts, tmp_path)
    for n in range(SHOWN):
        facts = {"config": {}, "lineage": {}, "answering": {"dense_weight": n / 100}}
        embedder, index = ArtifactRef.of("embedder", f"e{n}"), ArtifactRef.of("index", f"i{n}")
        space.registry.register("default", parent_id=None, reason="r", embedder=embedder, index=index, **facts)
    releases = release_report(space, parts.better).releases
    assert len(releases) == SHOWN
    assert [release.id for release, _ in releases] == [4 + n for n in range(SHOWN)]


def test_a_judged_release_has_each_section_in_its_order(pages):
    said = Page(pages["better"])
    assert [part["id"] for part in said.all("section") if "id" in part] == [
        "decision",
        "changes",
        "gains",
        "slices",
        "documents",
        "ranks",
        "questions",
        "floors",
        "cost",
        "lineage",
        "history",
    ]
    places = [pages["better"].index(f"<h2>{title}</h2>") for title in TITLES]
    assert places == sorted(places)


def test_the_floors_show_the_loss_of_refusals_that_the_gate_counts(parts):
    report = release_report(parts.space, parts.better)
    own, before = report.reports
    asked = {f"u{i}": True for i in range(40)}
    usual = Refusals(asked=40, refused=40, unanswerable_refused=asked)
    kept = Refusals(asked=40, refused=30, unanswerable_refused=asked | {f"u{i}": False for i in range(10)})
    for refusals, lost in ((kept, f"{refusal_loss(usual, kept, report.gate.confidence):.3f}"), (usual, "none")):
        both = (own.model_copy(update={"refusals": refusals}), before.model_copy(update={"refusals": usual}))
        *_, floors = ranking_sections(report, both, None)
        rows = {row["what"]: row for row in floors.tables[0].rows}
        informed, loss = rows["informedness of refusals"], rows["informedness of refusals lost, proven"]
        assert (informed["before"], informed["after"]) == ("1.000", f"{refusals.informedness:.3f}")
        assert (loss["after"], loss["allowed"]) == (lost, "0.05")


def test_a_first_release_says_that_nothing_was_judged(pages):
    said = Page(pages["first"]).said
    assert "No verdict: first release: untuned models." in said
    assert "There was no release before it." in said
    assert "these are its own figures" in said  # its report was made to judge the others by


def test_nothing_on_a_page_leads_out_of_it_or_runs(pages):
    for html in pages.values():
        page = Page(html)
        names = {tag for tag, _ in page.elements}
        assert not names & {"script", "link", "iframe", "object", "embed", "base", "form", "audio", "video", "source"}
        for tag, attributes in page.elements:
            assert not any(name.startswith("on") for name in attributes), (tag, attributes)
            assert not {"srcset", "style", "action", "background", "poster", "data"} & attributes.keys()
            if "src" in attributes:
                assert attributes["src"].startswith("data:image/png;base64,")
            if "href" in attributes:
                assert attributes["href"].startswith("#")
                assert any(each.get("id") == attributes["href"][1:] for each in page.all("section"))
        assert not any(re.search(r"url\(|@import|expression", style) for style in page.styles)
        assert len(page.styles) == 1
        (policy,) = [
            each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy == POLICY


def test_what_people_wrote_is_quoted_and_never_obeyed(parts, pages):
    html = pages["better"]
    page = Page(html)
    assert HOSTILE_NAME in page.said
    assert "</summary><script>alert(" in page.said
    assert "<script src='http://evil.example/x.js'></script> Part" in page.said
    assert "<script" not in html and "<b onmouseover" not in html and "<img src=x" not in html
    assert html.count("<style>") == 1


def test_each_table_has_a_caption_and_headers_and_each_picture_words(pages):
    for html in pages.values():
        page = Page(html)
        tables = page.all("table")
        assert tables and len(page.all("caption")) == len(tables)
        assert {each["scope"] for each in page.all("th")} == {"col", "row"}
        for picture in page.all("img"):
            assert len(picture["alt"]) > 20
            image = Image.open(io.BytesIO(base64.b64decode(picture["src"].partition(",")[2])))
            assert image.size[0] == 1200
    assert len(Page(pages["better"]).all("img")) == 5


def test_a_gain_shows_its_question_its_evidence_and_what_was_found_before_and_after(parts):
    report = release_report(parts.space, parts.better)
    texts = load_texts(parts.space, report)
    page = Page(html_page(report, texts))
    own, before = report.reports
    best = max(
        own.questions, key=lambda q: q.metrics["mrr@10"] - {o.id: o for o in before.questions}[q.id].metrics["mrr@10"]
    )
    assert " ".join(texts.questions[best.id].anchor.split()) in page.said
    assert " ".join(texts.questions[best.id].answer.split()) in page.said
    for chunk_id in best.found:
        assert " ".join(texts.chunks[chunk_id].text.split()) in page.said
    assert "holds the evidence" in page.said


def test_a_page_outlives_what_was_deleted(parts, tmp_path):
    """Without questions, corpus and reports there are still the verdict and its numbers."""
    space = copied(parts, tmp_path)
    for kind in ("evaluationset", "corpus", "pairs"):
        for ref in space.artifacts.refs():
            if ref.kind == kind:
                space.artifacts.remove(ref)
    said = Page(release_page(space, parts.better)).said
    assert "(its text is no longer there)" in said and "removed since" in said
    assert "Part " not in said
    for ref in space.artifacts.refs():
        if ref.kind in ("evaluation", "embedder", "index"):
            space.artifacts.remove(ref)
    said = Page(release_page(space, parts.better)).said
    assert "Promoted in the place of release 1" in said and "paired gain" in said


def test_a_verdict_from_before_reports_were_kept_shows_the_releases_own_figures(parts, tmp_path):
    space = copied(parts, tmp_path)
    judged = space.registry.evaluations(parts.kept.id)[-1]
    space.registry.record_evaluation(
        parts.kept.id,
        against_id=judged.against_id,
        evaluation_set_digest=judged.evaluation_set_digest,
        metrics={name: value for name, value in judged.metrics.items() if name != "against_artifact"},
        artifact=judged.artifact,
        verdict=judged.verdict,
        reason=judged.reason,
    )
    said = Page(release_page(space, parts.kept)).said
    assert "What it was judged against is not kept; these are its own figures." in said
    assert "Kept out, release 1 stayed" in said and "real, all" in said and "By document" not in said


def test_a_page_says_what_became_of_a_release_since(parts, tmp_path):
    space = copied(parts, tmp_path)
    space.registry.rollback("default", "a person <b>knows</b> better")
    back = space.registry.get("default", parts.better.id)
    html = release_page(space, back)
    said = Page(html).said
    assert "It served, and does no longer." in said and "a person <b>knows</b> better" in said
    assert "<b>knows" not in html
    assert ["rollback"] == [row[1] for row in Page(html).rows if len(row) == 4 and row[1] == "rollback"]


def test_a_page_names_the_gate_that_decided_and_not_that_of_the_first_registration(parts, tmp_path):
    space = copied(parts, tmp_path)
    changed = {"metric": "hit@5", "confidence": 0.9, "max_latency_p95_ms": 777}
    again, _ = judged(space, 0.99, CONFIG.gate.model_copy(update=changed))
    assert again.id == parts.kept.id
    said = Page(release_page(space, again)).said
    assert "hit@5, at a confidence of 90%" in said and "Only hit@5 decides." in said and "777" in said
