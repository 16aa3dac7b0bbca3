"""The page about a release, section by section, in the order in which a sceptical reader asks."""

from collections.abc import Iterator

from rag.evaluation.answer_tables import answer_rows, answering_facts
from rag.evaluation.answers import AnswersReport
from rag.evaluation.gate import Decision, Verdict
from rag.evaluation.judge import JudgedReport
from rag.evaluation.pictures import comparison_picture, history_picture
from rag.evaluation.significance import look_confidence
from rag.evaluation.tables import comparison_rows
from rag.experiments.experiment import ExperimentState
from rag.report.answers import answer_sections
from rag.report.changes import Row
from rag.report.experiment import experiment_headline, experiment_section, experiment_sentence
from rag.report.facts import SHOWN, ReleaseReport
from rag.report.rankings import alone_section, ranking_sections
from rag.report.section import Picture, Section, Table
from rag.report.texts import Texts
from storage.release import Promotion, ReleaseState

_STATES = {
    ReleaseState.CANDIDATE: "It is a candidate.",
    ReleaseState.PRODUCTION: "It serves.",
    ReleaseState.KEPT_OUT: "It does not serve.",
    ReleaseState.RETIRED: "It served, and does no longer.",
    ReleaseState.WITHDRAWN: "It cannot serve again.",
}


def headline(report: ReleaseReport) -> str:
    """Return what was decided, and what came of it, in a few words."""
    served = _promotion_since(report) is not None
    if report.verdict is None and report.experiment is not None:
        said = experiment_headline(report.experiment)
        return f"{said}, promoted since" if served and report.experiment.state is ExperimentState.STOPPED else said
    if report.verdict is None:
        return "not judged"
    if report.verdict.decision is Decision.PROMOTE:
        return "promoted" if served else "to be promoted, did not serve"
    return "kept out, promoted since" if served else "kept out"


def title_of(report: ReleaseReport) -> str:
    """Return the name of the page."""
    return f"Release {report.release.id} of {report.release.collection}"


def sentence(report: ReleaseReport) -> str:
    """Return the decision in one sentence with its numbers."""
    if report.verdict is None and report.experiment is not None:
        said, since = experiment_sentence(report.experiment), _promotion_since(report)
        stopped = report.experiment.state is ExperimentState.STOPPED
        return f"{said} Promoted since: {since.reason}." if since and stopped else said
    if report.verdict is None or report.against is None:
        return f"No verdict: {report.release.reason}."
    other, reason, since = report.against.id, report.verdict.reason, _promotion_since(report)
    if report.verdict.decision is Decision.PROMOTE:
        if since is None:
            return f"To be promoted in the place of release {other}, did not serve: {reason}."
        return f"Promoted in the place of release {other}: {reason}."
    said = f"Kept out, release {other} stayed: {reason}."
    return said if since is None else f"{said} Promoted since: {since.reason}."


def _promotion_since(report: ReleaseReport) -> Promotion | None:
    """Return how a release came to serve since it was judged or tried: by that, by hand, or by an experiment."""
    if report.judgement:
        tried = report.judgement.created_at
    elif report.experiment:
        tried = report.experiment.started_at
    else:
        return None
    own = (each for each in report.changes if each.release_id == report.release.id and each.action == "promote")
    return next((each for each in own if each.at >= tried), None)


def sections(report: ReleaseReport, texts: Texts | None = None) -> list[Section]:
    """Return the sections.

    :param texts: what people wrote; without it questions are ids, and no passage is shown.
    """
    return list(_sections(report, texts))


def _sections(report: ReleaseReport, texts: Texts | None) -> Iterator[Section]:
    yield _decision(report)
    yield _changed(report)
    if report.verdict and report.verdict.gains:
        yield _gains(report, report.verdict)
    if report.experiment:
        yield experiment_section(report.experiment)
    if report.measured:
        yield _worth(*report.measured)
    if report.reports:
        yield from ranking_sections(report, report.reports, texts)
    elif report.answers:
        yield from answer_sections(report, report.answers, with_texts=texts is not None)
    else:
        yield alone_section(report)
    yield Section(
        "cost", "What it cost", tables=[Table("Models asked, time on the device, room on the disk", report.costs)]
    )
    yield _lineage(report)
    yield _history(report)


def _decision(report: ReleaseReport) -> Section:
    release, judged, verdict = report.release, report.judgement, report.verdict
    rows: list[Row] = [{"what": "state", "value": _words(release.state)}]
    rows.append({"what": "made", "value": release.created_at})
    if release.promoted_at:
        rows.append({"what": "serves or served since", "value": release.promoted_at})
    if judged and verdict:
        rows += [
            {"what": "judged", "value": judged.created_at},
            {"what": "decided by", "value": f"{report.metric}, at a confidence of {report.gate.confidence:.0%}"},
            {
                "what": "questions",
                "value": f"{verdict.n_questions:,} {verdict.origin} of {verdict.n_documents:,} documents",
            },
            {"what": "evaluation set", "value": judged.evaluation_set_digest},
            {"what": "earlier looks at candidates for the same place", "value": verdict.earlier_looks},
        ]
    said = [_STATES[release.state]]
    if release.reason and not (verdict and release.reason == verdict.reason):
        said.append(f"Its state says: {release.reason}.")
    return Section("decision", "Decision", [" ".join(said)], tables=[Table("The release and its verdict", rows)])


def _changed(report: ReleaseReport) -> Section:
    pairs = Table("Pairs by split and origin", report.pairs)
    if report.against is None:
        said, tables = "There was no release before it.", [Table("Parts", report.parts), pairs]
        return Section("changes", "What it is made of", [said], tables=tables)
    how = "which it was judged against" if report.judgement else "which was there before"
    said = f"Compared with release {report.against.id}, {how}."
    if report.reports:
        said += " Both were asked over the documents of this release, so that only models and settings differ."
    tables = [
        Table(f"Parts of release {report.against.id} and of release {report.release.id}", report.parts),
        Table("Settings that differ", report.settings),
        Table("Documents", report.documents),
        pairs,
    ]
    return Section("changes", "What changed", [said], tables=tables)


def _gains(report: ReleaseReport, verdict: Verdict) -> Section:
    other = f"release {report.against.id}" if report.against else "what served"
    title = f"Release {report.release.id} against {other}"
    said = [
        f"The same {verdict.n_questions:,} {verdict.origin} questions were put to both. A gain is the mean of the "
        "differences question by question; its interval comes from drawing whole documents again and again. "
        f"Only {report.metric} decides."
    ]
    if verdict.earlier_looks:
        said.append(
            f"{verdict.earlier_looks:,} looks were taken before at candidates for the same place, so that each "
            f"interval is one of {look_confidence(report.gate.confidence, verdict.earlier_looks):.2%} instead of "
            f"{report.gate.confidence:.2%}."
        )
    picture = Picture(f"{title}: each metric before and after, and its gain", comparison_picture(verdict, title))
    tables = [Table("Paired gains with their intervals", comparison_rows(verdict))]
    return Section("gains", "Paired differences", said, [picture], tables)


def _worth(answers: AnswersReport, judged: JudgedReport | None) -> Section:
    said = (
        f"{len(answers.of()):,} questions of an evaluation set were answered by `ragloop evaluate --answers`, by whom "
        "is said below; the gate does not look at it."
    )
    took: list[Row] = [{"what": what, "value": value} for what, value in answering_facts(answers, judged).items()]
    tables = [
        Table("Metrics of the answers, by origin and type of the questions", answer_rows(answers, judged)),
        Table("Who answered and judged, and what it took", took),
    ]
    return Section("worth", "What its answers are worth", [said], tables=tables)


def _words(state: ReleaseState) -> str:
    return state.value.replace("_", " ")


def _lineage(report: ReleaseReport) -> Section:
    tables = [Table("From feedback to pairs, models, release and verdict", report.lineage)]
    tables += [Table(f"How the {name} was trained", rows) for name, rows in report.training.items()]
    return Section("lineage", "Lineage", tables=tables)


def _history(report: ReleaseReport) -> Section:
    rows, verdicts = [], []
    for release, judged in report.releases:
        row: Row = {
            "release": str(release.id),
            "state": _words(release.state),
            "made": release.created_at,
        }
        row |= {"against": "", "before": "", "after": "", "paired gain (interval)": "", "verdict": "not judged"}
        if judged:
            verdict = Verdict.model_validate(judged.metrics)
            row |= {"against": str(judged.against_id), "verdict": judged.verdict}
            if report.metric in verdict.gains:
                verdicts.append(judged)
                row |= {"before": verdict.before[report.metric], "after": verdict.after[report.metric]}
                row["paired gain (interval)"] = str(verdict.gains[report.metric])
        rows.append(row)
    changes: list[Row] = [
        {"when": each.at, "what": each.action, "release": str(each.release_id), "why": each.reason}
        for each in report.changes[-SHOWN:]
    ]
    picture = history_picture(verdicts, report.metric, f"Releases of {report.release.collection} that were judged")
    title = f"{report.metric} of the judged releases beside what served: promoted or kept out"
    tables = [Table(f"Releases, the last {SHOWN} at most", rows), Table("Changes of what serves", changes)]
    return Section("history", "History", pictures=[Picture(title, picture)] if verdicts else [], tables=tables)
