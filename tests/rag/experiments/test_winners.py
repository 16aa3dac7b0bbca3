"""A winner is found once, and promoted, whoever else looks, stops or ingests at the same time."""

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from rag.answering.answer import Way
from rag.answering.manner import Manner
from rag.experiments.experiment import ExperimentRefused, ExperimentState, get_experiment, keep_look, stop
from rag.experiments.look import Finding
from rag.experiments.outcomes import look_at
from rag.experiments.settling import _settled, settle
from storage.columns import utc_now
from storage.tables import ExposureRow
from tests.rag.answering.shop import add
from tests.rag.experiments.shop import BREAD, FROM_MEMORY, FROM_PASSAGES, ask, judge, later, serve, trying


@pytest.fixture
def won(space):
    """An experiment whose variant is better, at which nobody has looked yet."""
    serve(space, FROM_MEMORY)
    with trying(space, FROM_PASSAGES) as trials:
        for i in range(60):
            judge(space, ask(trials, BREAD, f"user-{i}"))
    return get_experiment(space.database, "default")


def test_a_winner_whose_promoter_was_killed_is_a_winner_all_the_same(space, won):
    now = later()
    seen = look_at(space.database, won, now)
    assert seen.finding is Finding.WINNER
    assert keep_look(space.database, won, seen)
    assert keep_look(space.database, won, look_at(space.database, won, utc_now()))  # by somebody slower
    space.registry.promote("default", won.variant_id, "the winner")
    ended = _settled(space.database, won, now)  # by somebody who read of it before there was a winner
    assert (ended.state, ended.reason) == (ExperimentState.PROMOTED, seen.reason)
    assert _settled(space.database, won, now) is None
    with pytest.raises(ExperimentRefused, match=r"has ended already \(winner: "):
        stop(space.database, "default", None, "too late")


def test_what_was_found_first_is_what_it_ends_by(space, won):
    """A winner of one who did not live to promote it, whose users have changed their minds since."""
    now = later()
    seen = look_at(space.database, won, now)
    keep_look(space.database, won, seen)
    with pytest.raises(ExperimentRefused, match="has found a winner, which is being promoted"):
        stop(space.database, "default", None, "too late")
    with space.database.session() as session:
        for shown in session.exec(select(ExposureRow)):
            shown.satisfaction = 1 - shown.satisfaction
    assert look_at(space.database, won, now).finding is Finding.LOSER
    (ended,) = settle(space.database, now)
    assert (ended.state, ended.finding, ended.reason) == (ExperimentState.PROMOTED, Finding.WINNER, seen.reason)
    assert space.registry.production("default").id == won.variant_id


def test_once_stopped_by_hand_nothing_is_promoted(space, won):
    stop(space.database, "default", None, "by hand")
    assert _settled(space.database, won, later()) is None  # by somebody who read of it before
    assert space.registry.production("default").id == won.control_id


def test_a_winner_is_promoted_with_the_documents_that_came_just_then(space, won):
    kiosk = {"kiosk.txt": "The kiosk opens at nine and sells newspapers."}
    event.listen(Session, "after_commit", lambda _: add(space, space.home, kiosk), once=True)
    assert settle(space.database, later()) == []
    found, refreshed = get_experiment(space.database, "default"), space.registry.production("default")
    assert (found.state, found.finding) == (ExperimentState.RUNNING, Finding.WINNER)
    assert refreshed.id not in (found.control_id, found.variant_id)
    assert settle(space.database, later()) == []
    (ended,) = settle(space.database, later())
    production = space.registry.production("default")
    assert (ended.state, ended.variant_id) == (ExperimentState.PROMOTED, production.id)
    assert (production.index, Manner.of(production).way) == (refreshed.index, Way.RAG)
