"""What a page tells of a release that users tried."""

from dataclasses import replace

import pytest

from rag.config import ExperimentConfig, Harm
from rag.evaluation.significance import Interval
from rag.experiments.experiment import ExperimentState, begin, end, keep_look
from rag.experiments.look import Finding, Look, Rise
from rag.report.facts import release_report
from rag.report.html import html_page
from rag.report.sections import headline, sections, sentence
from tests.rag.report.page import Page
from tests.rag.report.parts import copied

WON = Look(
    finding=Finding.WINNER,
    reason="winner: better than the control",
    gain=Interval(mean=0.12, low=0.03, high=0.2),
    n_control=210,
    n_variant=190,
    asked_control=400,
    asked_variant=390,
    mean_control=0.6,
    mean_variant=0.72,
    rises={Harm.ERROR: Rise(mean=0.001, low=-0.02, n_users=790)},
)


@pytest.fixture
def space(parts, tmp_path):
    return copied(parts, tmp_path)


def try_first(space, parts):
    """Begin to try the first release, on which there is no verdict, against what serves."""
    return begin(space.database, parts.better, parts.first, "back <b>then</b>", 0.3, ExperimentConfig())


def seen(space, parts):
    return release_report(space, space.registry.get("default", parts.first.id))


def section(report):
    return next(each for each in sections(report) if each.name == "experiment")


def test_a_release_that_won_an_experiment_says_so_with_its_numbers(space, parts):
    tried = try_first(space, parts)
    keep_look(space.database, tried, WON)
    reason = f"{tried.key} ({tried.name}): {WON.reason}"
    space.registry.promote("default", parts.first.id, reason, instead_of=parts.better.id)
    end(space.database, tried, ExperimentState.PROMOTED, WON.reason)
    report = seen(space, parts)
    assert headline(report) == "promoted by an experiment"
    assert sentence(report) == (
        f"Promoted in the place of release {parts.better.id} by experiment 1 (back <b>then</b>): {WON.reason}."
    )
    _, sides, rails = section(report).tables
    control, variant = sides.rows
    assert (control["side"], control["users"], control["asked"]) == (
        f"control, release {parts.better.id}",
        "210",
        "400",
    )
    assert (variant["users"], variant["mean satisfaction"]) == ("190", "0.720")
    assert variant["gain (interval)"] == "+0.120 [+0.030, +0.200]"
    assert (rails.rows[0]["guard rail"], rails.rows[0]["users"], rails.rows[0]["rise"]) == ("error", "790", "+0.001")
    page = Page(html_page(report, None))
    assert "release 1 answered 30%, and release 3 the others" in page.said and "back <b>then</b>" in page.said


def test_one_that_was_stopped_says_why_and_what_came_of_it_since(space, parts):
    tried = try_first(space, parts)
    assert headline(seen(space, parts)) == "in an experiment"
    assert "No user was counted." in section(seen(space, parts)).says
    end(space.database, tried, ExperimentState.STOPPED, "stopped by hand")
    assert headline(seen(space, parts)) == "not promoted by an experiment"
    assert sentence(seen(space, parts)).endswith(f"against release {parts.better.id}: stopped by hand.")
    space.registry.promote("default", parts.first.id, "by hand after all")
    assert headline(seen(space, parts)) == "not promoted by an experiment, promoted since"
    assert sentence(seen(space, parts)).endswith("stopped by hand. Promoted since: by hand after all.")


def test_where_a_gate_gave_a_verdict_that_comes_first(space, parts):
    begin(space.database, parts.better, parts.kept, "once more", 0.5, ExperimentConfig())
    report = release_report(space, parts.kept)
    assert headline(report) == "kept out" and section(report).tables
    assert headline(replace(report, verdict=None)) == "in an experiment"
    assert release_report(space, parts.better).experiment is None
