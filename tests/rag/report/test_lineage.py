"""What a page tells of where a release comes from, and of what it differs in."""

from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction
from rag.report.changes import document_rows, pair_count_rows, part_rows, setting_rows
from rag.report.facts import release_report
from rag.report.lineage import lineage_rows
from rag.report.section import Table, cell
from tests.rag.report.parts import copied


def by(rows, name):
    return {row[name]: row for row in rows}


def test_only_settings_that_differ_are_shown(parts):
    rows = by(setting_rows(parts.first, parts.better), "setting")
    assert rows["answering.dense_weight"] == {"setting": "answering.dense_weight", "before": "1", "after": "0.3"}
    assert not any("lexical_engine" in name for name in rows)
    assert setting_rows(parts.first, parts.first) == []


def test_parts_say_what_they_are_and_whether_they_changed(parts):
    rows = by(part_rows(parts.space.artifacts, parts.first, parts.better), "part")
    assert not rows["embedder"]["changed"] and "untuned" in rows["embedder"]["after"]
    n_chunks = parts.space.artifacts.facts(parts.first.index)["chunks"]
    assert f"{n_chunks} passages" in rows["index"]["before"] and rows["reranker"]["after"] == "none"


def test_documents_of_the_same_corpus_are_the_same(parts):
    (row,) = document_rows(parts.space.artifacts, parts.first, parts.better)
    assert (row["documents"], row["n"]) == ("in all", 12)


def test_pairs_are_counted_by_split_and_origin(parts):
    rows = pair_count_rows(parts.space.artifacts, parts.kept, parts.better)
    evaluation = next(row for row in rows if (row["split"], row["origin"]) == ("evaluation", "real"))
    assert evaluation["before"] == evaluation["after"] == 40
    assert pair_count_rows(parts.space.artifacts, None, parts.first) == []


def test_the_lineage_goes_from_feedback_to_the_verdict(parts):
    report = release_report(parts.space, parts.better)
    steps = [row["step"] for row in report.lineage]
    assert steps == [
        "feedback",
        "documents",
        "split by document",
        "questions written",
        "pairs",
        "evaluation set, frozen",
        "embedder",
        "index",
        f"release {parts.better.id}",
        "verdict",
    ]
    rows = by(report.lineage, "step")
    assert rows["pairs"]["artifact"] == parts.better.lineage["pairs"]["uri"]
    assert report.judgement.evaluation_set_digest in rows["evaluation set, frozen"]["artifact"]
    assert all(row["made"] for row in report.lineage[1:])


def test_reactions_are_counted_until_the_release_was_made(parts, tmp_path):
    space = copied(parts, tmp_path)
    asked = record_interaction(
        space.database, Interaction(collection="default", release_id=1, question="q", answer="a")
    )
    record_feedback(space.database, Feedback(interaction_id=asked, kind=FeedbackKind.THUMB_UP), 1000)
    (reaction,) = lineage_rows(space, later(parts.better), later(parts.first), None)[:1]
    assert reaction["what"] == "1 reactions until then, 0 of them since release 1 was made"
    (reaction,) = lineage_rows(space, later(parts.better), parts.first, None)[:1]
    assert reaction["what"] == "1 reactions until then, 1 of them since release 1 was made"
    (reaction,) = lineage_rows(space, parts.better, None, None)[:1]
    assert reaction["what"] == "0 reactions until then"


def later(release):
    return release.model_copy(update={"created_at": release.created_at.replace(year=release.created_at.year + 1)})


def test_cells_read_alike_everywhere(parts):
    said = [cell(value) for value in (None, True, False, 0.12345, 1234567, "text", parts.first.created_at)]
    assert said[:-1] == ["", "yes", "no", "0.123", "1,234,567", "text"]
    assert said[-1].endswith(" UTC")
    table = Table("t", [{"a": "x", "b": 1, "c": "+0.100 [-0.100, +0.300]"}, {"a": "2", "b": None, "c": "-0.1"}])
    assert [(column.name, column.numeric) for column in table.columns] == [("a", False), ("b", True), ("c", True)]
