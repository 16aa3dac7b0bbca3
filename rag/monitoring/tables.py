"""What was seen as rows that people read; the command line and Prefect show the same ones."""

from collections.abc import Iterable, Mapping

from rag.monitoring.alerts import Alert
from rag.monitoring.drift import Drift, DriftReport
from rag.monitoring.estimate import Estimate
from rag.monitoring.topics import Topic
from rag.monitoring.traffic import TOTAL
from rag.monitoring.use import Cohort, Use

Row = dict[str, str | int]


def use_rows(uses: Iterable[Use]) -> list[Row]:
    """Return a row for each day or week: what was counted, and each mean with how many it is of."""
    return [
        {
            "from": f"{use.first_day:%d %b}",
            "questions": use.questions,
            "users": use.users,
            "returning": use.returning,
            "rating (n)": _mean(use.rating),
            "correct (n)": _share(use.correct),
            "unanswered": _percent(use.unanswered),
            "cached": _percent(use.cached),
            "support (n)": _mean(use.support),
            "p50 ms": _ms(use, "p50_s"),
            "p95 ms": _ms(use, "p95_s"),
        }
        for use in uses
    ]


def target_rows(use: Use, targets: Mapping[str, float]) -> list[Row]:
    """Return a row for each target: what is reached, its interval, and of how many."""
    reached = {"rating": use.rating, "correct": use.correct}
    return [
        {
            "metric": metric,
            "target": f"{targets[metric]:g}",
            "reached": "" if found is None else f"{found.value:.2f}",
            "interval": "" if found is None else f"{found.low:.2f} to {found.high:.2f}",
            "n": 0 if found is None else found.n,
        }
        for metric, found in reached.items()
    ]


def latency_rows(uses: Iterable[Use]) -> list[Row]:
    """Return a row for each day and step that was timed."""
    return [
        {
            "from": f"{use.first_day:%d %b}",
            "step": step,
            "n": latency.n,
            "p50 ms": round(1000 * latency.p50_s),
            "p95 ms": round(1000 * latency.p95_s),
        }
        for use in uses
        for step, latency in use.latency.items()
    ]


def retention_rows(cohorts: Iterable[Cohort]) -> list[Row]:
    """Return a row for each week's new users: how many there are, and how many of them asked in each week since."""
    own = list(cohorts)
    later = range(1, max((len(cohort.active) for cohort in own), default=1))
    rows: list[Row] = []
    for cohort in own:
        row: Row = {"first asked in the week of": str(cohort.first_day), "users": cohort.users}
        came = {f"week +{week}": cohort.active[week] if week < len(cohort.active) else "" for week in later}
        rows.append(row | came)
    return rows


def drift_rows(drift: DriftReport) -> list[Row]:
    """Return a row for each thing that may drift."""
    rows: list[Row] = []
    for metric in drift.metrics:
        n_before, n_now = drift.counted(metric)
        rows.append(
            {
                "what": metric.metric,
                "before (n)": _typical(metric.before, n_before),
                "now (n)": _typical(metric.now, n_now),
                "shift": "" if metric.untested else f"{metric.shift:.3f}",
                "p": "" if metric.untested else f"{metric.p_value:.4f}",
                "drift": _verdict(metric),
            }
        )
    return rows


def drift_day_rows(drift: DriftReport) -> list[Row]:
    """Return a row for each recent day."""
    return [
        {
            "day": str(day.day),
            "questions": day.questions,
            "new topics": _or_nothing(day.novel, ".0%"),
            "unanswered": _or_nothing(day.unanswered, ".0%"),
            "score": _or_nothing(day.score, ".3f"),
            "support": _or_nothing(day.support, ".3f"),
            "seconds": _or_nothing(day.latency_s, ".3f"),
        }
        for day in drift.by_day
    ]


def topic_rows(topics: Iterable[Topic], text: bool = True) -> list[Row]:
    """Return a row for each topic.

    :param text: whether what people asked may be shown.
    """
    rows: list[Row] = []
    for place, topic in enumerate(topics, 1):
        row: Row = {
            "topic": place,
            "people": topic.people,
            "questions": topic.questions,
            "unanswered": topic.unanswered,
            "judged wrong": topic.judged_wrong,
        }
        rows.append(row | {"words": ", ".join(topic.words), "such as": topic.question or ""} if text else row)
    return rows


def alert_rows(alerts: Iterable[Alert]) -> list[Row]:
    """Return a row for each alert, with what it is and what to do."""
    return [{"alert": alert.metric, "what": alert.sentence, "what to do": alert.remedy} for alert in alerts]


def _mean(found: Estimate | None) -> str:
    return "" if found is None else f"{found.value:.2f} ({found.n})"


def _share(found: Estimate | None) -> str:
    return "" if found is None else f"{found.value:.0%} ({found.n})"


def _percent(found: Estimate | None) -> str:
    return "" if found is None else f"{found.value:.0%}"


def _ms(use: Use, which: str) -> str:
    found = use.latency.get(TOTAL)
    return "" if found is None else f"{1000 * getattr(found, which):.0f}"


def _typical(value: float | None, n: str) -> str:
    return f"({n})" if value is None else f"{value:.3f} ({n})"


def _verdict(metric: Drift) -> str:
    if metric.untested:
        return metric.untested
    return "no" if not metric.found else "yes, for the worse" if metric.worse else "yes, for the better"


def _or_nothing(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
