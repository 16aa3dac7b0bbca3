"""The sections about what a chat model's release answered."""

from collections.abc import Iterator

from rag.evaluation.pictures import ways_picture
from rag.evaluation.tables import cost_rows, way_rows
from rag.evaluation.way_report import AnsweredQuestion, WayReport, paired
from rag.report.changes import Row
from rag.report.example import Example, Side
from rag.report.extremes import examples_section
from rag.report.facts import ReleaseReport
from rag.report.figures import forest_picture
from rag.report.paired import gain, slices
from rag.report.rankings import document_slices, documents_section, slice_rows
from rag.report.section import Picture, Section, Table

Pair = tuple[AnsweredQuestion, AnsweredQuestion]


def answer_sections(report: ReleaseReport, answers: tuple[WayReport, WayReport], with_texts: bool) -> Iterator[Section]:
    """Yield how two releases answered the same questions."""
    own, before = answers
    pairs = paired(own, before)
    yield _ways(report)
    if pairs:
        yield _groups(report, pairs)
        about = [pair for pair in pairs if pair[0].document]
        if about:
            yield documents_section(document_slices(about, report.metric, report.gate.confidence), report.metric)
        yield examples_section(
            pairs,
            report.metric,
            lambda pair: _id_row(pair, report.metric),
            (lambda pair: _example(pair, report.metric)) if with_texts else None,
        )
    rows = [row | {"way": name} for name, each in (("before", before), ("after", own)) for row in cost_rows([each])]
    said = (
        f"To a whole answer for 95 of 100 questions at most {report.gate.max_latency_p95_ms:g} ms are allowed, or what "
        "was taken before if that is more."
    )
    yield Section("floors", "Time, size and memory", [said], tables=[Table("As each release decides", rows)])


def _ways(report: ReleaseReport) -> Section:
    title = f"Ways to answer of release {report.release.id}"
    return Section(
        "ways",
        "Ways to answer",
        ["The same questions: from memory, from passages, from both where that was taught, and as it decides itself."],
        [Picture(f"{title}: token F1 and share made up, by group of questions", ways_picture(report.ways, title))],
        [Table("By group of questions", way_rows(report.ways)), Table("What each way takes", cost_rows(report.ways))],
    )


def _groups(report: ReleaseReport, pairs: list[Pair]) -> Section:
    found = slices(pairs, report.metric, lambda answer: answer.group.value, report.gate.confidence)
    title = f"{report.metric} by group of questions"
    said = "Each group counts alike in the verdict; alone, none of them decides."
    tables = [Table(title, slice_rows(found, "questions of the kind", report.metric))]
    return Section("slices", "By group of questions", [said], [Picture(title, forest_picture(found, title))], tables)


def _id_row(pair: Pair, metric: str) -> Row:
    new, old = pair
    return {
        "question": new.id,
        "group": new.group.value,
        "document": new.document,
        "way before": old.way.value,
        "way after": new.way.value,
        f"change of {metric}": f"{gain(pair, metric):+.3f}",
    }


def _example(pair: Pair, metric: str) -> Example:
    new, old = pair
    return Example(
        id=new.id,
        about=f"{new.document or 'no document'}, {new.group.value}",
        change=f"{gain(pair, metric):+.3f}",
        question=new.question,
        expected=new.expected,
        evidence=(),
        before=_side(old, metric),
        after=_side(new, metric),
    )


def _side(answer: AnsweredQuestion, metric: str) -> Side:
    made_up = ", made up" if answer.made_up else ""
    return Side(f"{answer.way.value}, {metric} {answer.metrics[metric]:.3f}{made_up}", answer=answer.said)
