"""The sections about what was found for each question: slices, documents, ranks, examples and floors."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rag.config import GateConfig
from rag.evaluation.gate import refusal_loss
from rag.evaluation.report import EvaluationReport, QuestionResult
from rag.evaluation.tables import report_rows
from rag.pairs.pair import Origin
from rag.report.changes import Row
from rag.report.example import Example, Side
from rag.report.extremes import examples_section
from rag.report.facts import ReleaseReport
from rag.report.figures import forest_picture, ranks_picture
from rag.report.paired import (
    RUNGS,
    Slice,
    gain,
    rank,
    rank_changes,
    rung,
    shared,
    slices,
)
from rag.report.section import Picture, Section, Table
from rag.report.texts import Texts

_MB = 2**20
Pairs = list[tuple[QuestionResult, QuestionResult]]


def ranking_sections(
    report: ReleaseReport, reports: tuple[EvaluationReport, EvaluationReport], texts: Texts | None
) -> Iterator[Section]:
    """Yield how two releases ranked the same questions."""
    own, before = reports
    deciding = Origin(report.verdict.origin) if report.verdict else None
    pairs = shared(own, before, deciding)
    if pairs:
        yield _slices(report, pairs, shared(own, before))
        yield _documents(report, pairs)
        yield _ranks(pairs)
        yield examples_section(
            pairs,
            report.metric,
            lambda pair: _id_row(pair, report.metric),
            (lambda pair: _example(pair, report.metric, texts)) if texts else None,
        )
    yield _floors(report.gate, own, before) if isinstance(report.gate, GateConfig) else Section("floors", "Floors")


def alone_section(report: ReleaseReport) -> Section:
    """Return what is known of a release that has nothing beside it."""
    if report.alone is None:
        return Section("metrics", "Metrics", ["No evaluation of it is kept: `ragloop evaluate` makes one."])
    tables = [
        Table("By origin and type of question", report_rows(report.alone)),
        Table("What it takes", [{"what": what, "value": value} for what, value in _taken(report.alone).items()]),
    ]
    why = "What it was judged against is not kept" if report.judgement else "It was compared with nothing"
    return Section("metrics", "Metrics", [f"{why}; these are its own figures."], tables=tables)


def slice_rows(found: Sequence[Slice], of: str, metric: str) -> list[Row]:
    """Return the rows of slices."""
    return [
        {
            of: each.name,
            "questions": each.n_questions,
            "documents": each.n_documents,
            f"{metric} before": float(each.before),
            "after": float(each.after),
            "paired gain (interval)": each.said,
        }
        for each in found
    ]


def document_slices(pairs: Sequence[tuple[Any, Any]], metric: str, confidence: float) -> list[Slice]:
    """Return a slice for each document, the lowest gain first."""
    found = slices(pairs, metric, lambda question: question.document or "none", confidence, of_one_document=True)
    return sorted(found, key=lambda each: (each.gain.mean, each.name))


def documents_section(found: Sequence[Slice], metric: str) -> Section:
    """Return the section of documents."""
    fell, rose = (sum(sign * each.gain.mean > 0 for each in found) for sign in (-1, 1))
    said = (
        f"{metric} rose in {rose:,} documents, fell in {fell:,}, and stayed in {len(found) - rose - fell:,}. "
        "An interval here comes from drawing the document's own questions, and speaks of that document alone; "
        "one question has none."
    )
    rows = slice_rows(found, "document", metric)
    for row in rows:
        del row["documents"]
    title = f"{metric} by document, the lowest gain first"
    return Section(
        "documents", "By document", [said], [Picture(title, forest_picture(found, title))], [Table(title, rows)]
    )


def _slices(report: ReleaseReport, pairs: Pairs, everything: Pairs) -> Section:
    metric, confidence = report.metric, report.gate.confidence
    by_type = slices(pairs, metric, lambda question: question.question_type.value, confidence)
    by_origin = slices(everything, metric, lambda question: question.origin.value, confidence)
    said = (
        f"None of these decides. Each interval is one of {confidence:.0%} by itself, whatever the verdict's are: "
        f"of {round(1 / (1 - confidence))} slices without any change, about one looks as if it had one."
    )
    title = f"{metric} by type of question and by origin"
    picture = Picture(title, forest_picture([*by_type, *by_origin], title))
    tables = [
        Table("By type of question, of those that decided", slice_rows(by_type, "type", metric)),
        Table("By origin, all questions", slice_rows(by_origin, "origin", metric)),
    ]
    return Section("slices", "By type and origin", [said], [picture], tables)


def _documents(report: ReleaseReport, pairs: Pairs) -> Section:
    return documents_section(document_slices(pairs, report.metric, report.gate.confidence), report.metric)


def _ranks(pairs: Pairs) -> Section:
    counts = rank_changes(pairs)
    rose = sum(rung(new) < rung(old) for new, old in pairs)
    fell = sum(rung(new) > rung(old) for new, old in pairs)
    title = "Rank of the first passage that holds the evidence, before and after"
    stayed = len(pairs) - rose - fell
    said = f"By the rows below it rose for {rose:,} questions, fell for {fell:,}, and stayed for {stayed:,}."
    rows: list[Row] = [
        {"before": name, **{f"after: {after}": n for after, n in zip(RUNGS, row, strict=True)}}
        for name, row in zip(RUNGS, counts, strict=True)
    ]
    picture = Picture(title, ranks_picture(counts, title))
    return Section("ranks", "Changes of rank", [said], [picture], [Table(title, rows)])


def _id_row(pair: tuple[QuestionResult, QuestionResult], metric: str) -> Row:
    new, old = pair
    return {
        "question": new.id,
        "document": new.document,
        "type": new.question_type.value,
        "evidence before": rank(old),
        "evidence after": rank(new),
        f"change of {metric}": f"{gain(pair, metric):+.3f}",
    }


def _example(pair: tuple[QuestionResult, QuestionResult], metric: str, texts: Texts) -> Example:
    new, old = pair
    asked = texts.questions.get(new.id)
    sides = (Side(f"evidence {rank(q)}", texts.passages(q.found, q.relevant)) for q in (old, new))
    before, after = sides
    return Example(
        id=new.id,
        about=f"{new.document}, {new.question_type}, {new.origin}",
        change=f"{gain(pair, metric):+.3f}",
        question=asked.anchor if asked else None,
        expected=asked.answer if asked else None,
        evidence=texts.passages(new.relevant, new.relevant),
        before=before,
        after=after,
    )


def _floors(gate: GateConfig, own: EvaluationReport, before: EvaluationReport) -> Section:
    after, was = _taken(own), _taken(before)
    allowed = {
        "hit@1 on the general set": f"a loss of {gate.max_general_loss:g}",
        "p95 to retrieve, ms": f"{gate.max_latency_p95_ms:g}",
        "models and index, MB": f"{gate.max_serving_bytes / _MB:,.0f}",
        "memory, MB": f"{gate.max_memory_bytes / _MB:,.0f}",
    }
    rows = [{"what": what, "before": was[what], "after": after[what], "allowed": allowed.get(what)} for what in after]
    if own.refusals and before.refusals:
        lost = refusal_loss(before.refusals, own.refusals, gate.confidence)
        proven = f"{lost:.3f}" if lost > 0 else "none"
        what, loss = "informedness of refusals lost, proven", f"{gate.max_refusal_loss:g}"
        rows.append({"what": what, "before": None, "after": proven, "allowed": loss})
    said = "What a gain does not excuse. Times are of this machine, with what else it was doing."
    return Section("floors", "Floors", [said], tables=[Table("Floors before and after", rows)])


def _taken(report: EvaluationReport) -> dict[str, Any]:
    """Return what a report measured besides its rankings, by name."""
    times = [question.latency_ms for question in report.questions]
    refusals = report.refusals
    unknown = "not measured"
    return {
        "hit@1 on the general set": report.general_hit1,
        "p50 to retrieve, ms": f"{np.percentile(times, 50):.1f}" if times else unknown,
        "p95 to retrieve, ms": f"{np.percentile(times, 95):.1f}" if times else unknown,
        "models and index, MB": f"{report.serving_bytes / _MB:,.1f}",
        "memory, MB": unknown if report.memory_bytes is None else f"{report.memory_bytes / _MB:,.1f}",
        "unanswerable questions refused": (
            unknown if refusals is None else f"{refusals.share:.1%} of {refusals.asked:,}"
        ),
        "others refused": unknown if refusals is None else f"{refusals.wrong_share:.1%} of {refusals.answerable:,}",
        "informedness of refusals": unknown if refusals is None else f"{refusals.informedness:.3f}",
        "questions left out": report.left_out,
    }
