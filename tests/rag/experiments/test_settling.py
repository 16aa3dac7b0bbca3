from datetime import timedelta

import pytest
from sqlmodel import select

from rag.answering.answer import Way
from rag.chat.serving import register_chat_model
from rag.config import ExperimentConfig, GeneratorKind, Harm, Outcome
from rag.deletion import delete_document
from rag.errors import ConfigError
from rag.experiments.experiment import (
    ExperimentState,
    UnreadableExperiment,
    get_experiment,
    keep_look,
    list_experiments,
    mark_told,
    running,
    stop,
    untold,
)
from rag.experiments.look import Finding
from rag.experiments.outcomes import look_at
from rag.experiments.settling import looked, settle
from rag.feedback.signals import FeedbackKind
from storage.columns import utc_now
from storage.registry import ReleaseState
from storage.tables import ExperimentRow
from tests.rag.answering.shop import SMOKE, add
from tests.rag.chat.tiny import save_tiny_chat, stored
from tests.rag.experiments.shop import (
    BREAD,
    FROM_MEMORY,
    FROM_PASSAGES,
    NO_RAILS,
    NOTHING_ELSE,
    OPENS,
    as_if_asked_before,
    ask,
    judge,
    later,
    say,
    serve,
    trying,
)

LONG = ExperimentConfig(slow_s=60)
ASKED_FIRST = {"generators": (GeneratorKind.CHAT_MODEL, GeneratorKind.EXTRACTIVE)}
"""Whose chat models are asked before the passages, so that two of them do not answer alike."""


def let_users_ask(space, trials, n, questions=(OPENS, BREAD), settled_at=None):
    """Let users ask and give thumbs until the experiment ends; return how many it took."""
    for i in range(n):
        for question in questions:
            judge(space, ask(trials, question, f"user-{i}"))
        if i % 10 == 9 and settle(space.database, settled_at or later()):
            return i + 1
    return n


def test_a_variant_that_is_better_wins_and_serves(space):
    control = serve(space, FROM_MEMORY)
    with trying(space, FROM_PASSAGES) as trials:
        n = let_users_ask(space, trials, 200)
        assert ask(trials, BREAD, "somebody").way is Way.RAG
    experiment = get_experiment(space.database, "default")
    assert (experiment.state, experiment.finding) == (ExperimentState.PROMOTED, Finding.WINNER)
    assert n < 200
    seen = experiment.look
    assert (seen.mean_control, seen.mean_variant) == (0.5, 1.0)
    assert seen.gain.low > 0 and seen.n_control + seen.n_variant <= n
    promotion = space.registry.history("default")[-1]
    assert (promotion.release_id, promotion.previous_id) == (experiment.variant_id, control.id)
    assert promotion.reason.startswith(f"experiment {experiment.id} (way rag): winner: better than the control, gain +")
    assert space.registry.rollback("default", "after all").id == control.id


def test_a_variant_that_refuses_is_stopped_by_the_guard_rail_and_kept_out(space):
    with trying(space, FROM_MEMORY, LONG) as trials:
        for i in range(80):
            ask(trials, BREAD, f"user-{i}")
            if settle(space.database, later(hours=1)):
                break
    experiment = get_experiment(space.database, "default")
    assert (experiment.state, experiment.finding) == (ExperimentState.STOPPED, Finding.HARMFUL)
    assert experiment.reason.startswith("harmful: refused rose by more than 0.")
    assert experiment.reason.endswith(f", 0.05 allowed, after {i + 1} users")
    assert i < 79
    assert space.registry.production("default").id == experiment.control_id
    variant = space.registry.get("default", experiment.variant_id)
    assert variant.state is ReleaseState.KEPT_OUT
    assert variant.reason == f"experiment {experiment.id} (way closed-book): {experiment.reason}"


def test_a_variant_that_cannot_be_opened_is_stopped_for_its_errors(space):
    with trying(space, FROM_MEMORY, LONG):
        pass
    space.artifacts.remove(space.registry.production("default").chat_model)
    with trying(space) as trials:
        for i in range(80):
            ask(trials, OPENS, f"user-{i}")
    (ended,) = settle(space.database, later(hours=1))
    assert ended.finding is Finding.HARMFUL
    assert "error rose by more than" in ended.reason and "refused" not in ended.reason


def test_of_two_that_are_alike_none_wins(space):
    with trying(space, NOTHING_ELSE, LONG.model_copy(update={"min_effect": 0.0})) as trials:
        for i in range(60):
            answer = ask(trials, OPENS, f"user-{i}")
            say(space, answer, FeedbackKind.THUMB_UP if i % 3 else FeedbackKind.THUMB_DOWN)
        assert settle(space.database, later()) == []
    experiment = get_experiment(space.database, "default")
    assert (experiment.state, experiment.finding) == (ExperimentState.RUNNING, None)
    assert experiment.look.finding is Finding.GO_ON
    assert experiment.look.n_control + experiment.look.n_variant == 60
    assert {metric: rise.low < 0.02 for metric, rise in experiment.look.rises.items()} == dict.fromkeys(Harm, True)


def test_nothing_is_looked_at_before_its_window_has_passed(space):
    with trying(space, NOTHING_ELSE, LONG) as trials:
        judge(space, ask(trials, OPENS, "somebody"))
    experiment = get_experiment(space.database, "default")
    rails_only, all_of_it = (look_at(space.database, experiment, later(hours)) for hours in (1, 24))
    assert rails_only.n_control + rails_only.n_variant == 0
    assert all_of_it.n_control + all_of_it.n_variant == 1
    assert looked(space.database, experiment).look.n_control == 0


def test_an_experiment_that_was_looked_at_rests(space):
    with trying(space, NOTHING_ELSE) as trials:
        judge(space, ask(trials, OPENS, "somebody"))
    n_users = []
    settle(space.database)
    as_if_asked_before(space)
    for now in (utc_now(), later(hours=0)):
        settle(space.database, now)
        seen = get_experiment(space.database, "default").look
        n_users.append(seen.n_control + seen.n_variant)
    assert n_users == [0, 1]


def test_what_was_said_in_the_window_counts_however_late_anybody_looks(space):
    with trying(space, NOTHING_ELSE) as trials:
        early, late = (ask(trials, OPENS, user) for user in ("early", "late"))
        say(space, early, FeedbackKind.RATING, value=4)
    as_if_asked_before(space)
    say(space, early, FeedbackKind.THUMB_DOWN)
    say(space, late, FeedbackKind.THUMB_DOWN)
    settle(space.database)
    seen = get_experiment(space.database, "default").look
    assert (seen.n_control + seen.n_variant, {seen.mean_control, seen.mean_variant}) == (1, {0.75, None})


@pytest.mark.parametrize(("outcome", "means"), [(Outcome.FOUND, (1.0, 0.0)), (Outcome.SUPPORT, (1.0, 0.0))])
def test_answers_may_also_be_judged_by_themselves(space, outcome, means):
    with trying(space, FROM_MEMORY, NO_RAILS.model_copy(update={"outcome": outcome})) as trials:
        for i in range(8):
            ask(trials, BREAD, f"user-{i}")
    seen = look_at(space.database, get_experiment(space.database, "default"), later())
    assert (seen.mean_control, seen.mean_variant) == means


def test_it_ends_when_something_else_begins_to_serve(space):
    with trying(space, FROM_MEMORY) as trials:
        judge(space, ask(trials, OPENS, "somebody"))
    space.registry.rollback("default", "by hand")
    (ended,) = settle(space.database, later())
    assert (ended.state, ended.finding) == (ExperimentState.STOPPED, None)
    assert ended.reason == "release 1 began to serve instead of release 2"
    assert settle(space.database, later()) == []


def test_it_ends_when_the_variant_cannot_go_on_without_a_document(space):
    with trying(space, FROM_MEMORY) as trials:
        assert ask(trials, OPENS, "somebody").variant
        space.artifacts.remove(space.registry.production("default").chat_model)
        delete_document(space, "default", "boats.txt", SMOKE)
        assert ask(trials, OPENS, "somebody").variant is None
    (ended,) = settle(space.database)
    assert ended.state is ExperimentState.STOPPED and "began to serve instead" in ended.reason


def test_documents_that_come_or_go_are_no_end(space):
    with trying(space, NOTHING_ELSE) as trials:
        before = {user: ask(trials, OPENS, user).variant for user in ("a", "b", "c", "d")}
        begun = get_experiment(space.database, "default")
        for change in ("come", "go"):
            if change == "come":
                add(space, space.home, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
            else:
                delete_document(space, "default", "kiosk.txt", SMOKE)
            assert ask(trials, OPENS, "a").variant is None
            assert settle(space.database) == []
            moved = get_experiment(space.database, "default")
            production = space.registry.production("default")
            assert (moved.control_id, moved.state) == (production.id, ExperimentState.RUNNING)
            variant = space.registry.get("default", moved.variant_id)
            assert (variant.index, variant.answering["candidates"]) == (production.index, 199)
            answers = {user: ask(trials, "When does the kiosk open?", user) for user in before}
            assert {user: answer.variant for user, answer in answers.items()} == before
            assert all(("nine" in answer.text) == (change == "come") for answer in answers.values())
            assert {answer.release_id for answer in answers.values()} <= {moved.control_id, moved.variant_id}
    assert moved.id == begun.id


def test_it_ends_when_its_variant_is_withdrawn(space, tmp_path):
    other = stored(space.artifacts, save_tiny_chat(tmp_path / "other", steps=1))
    variant = register_chat_model(space, "default", other, SMOKE)
    with trying(space, str(variant.id), **ASKED_FIRST):
        space.registry.withdraw("default", {other.uri}, "a document that it learned from was deleted")
    (ended,) = settle(space.database)
    assert (ended.state, ended.reason) == (ExperimentState.STOPPED, f"release {variant.id} was withdrawn")


def test_a_variant_that_was_made_for_an_experiment_is_kept_out_with_its_end(space):
    with trying(space, FROM_MEMORY):
        stopped = stop(space.database, "default", None, "enough")
    with trying(space, NOTHING_ELSE):
        space.registry.rollback("default", "by hand")
    (overtaken,) = settle(space.database)
    left = [space.registry.get("default", each.variant_id) for each in (stopped, overtaken)]
    assert [release.state for release in left] == [ReleaseState.KEPT_OUT] * 2
    assert left[0].reason == "experiment 1 (way closed-book): enough"
    assert left[1].reason == f"experiment 2 (candidates 199): {overtaken.reason}"


def test_a_variant_that_is_tried_again_is_kept_out_for_the_last_reason(space):
    for reason in ("enough", "a second time"):
        with trying(space, FROM_MEMORY):
            variant = stop(space.database, "default", None, reason).variant_id
        assert space.registry.get("default", variant).state is ReleaseState.KEPT_OUT
    assert space.registry.get("default", variant).reason == "experiment 2 (way closed-book): a second time"


def test_a_variant_that_is_left_behind_by_new_documents_is_kept_out(space):
    with trying(space, NOTHING_ELSE):
        begun = get_experiment(space.database, "default")
        add(space, space.home, {"kiosk.txt": "The kiosk opens at nine and sells newspapers."})
        settle(space.database)
    moved = get_experiment(space.database, "default")
    states = [space.registry.get("default", each.variant_id).state for each in (begun, moved)]
    assert states == [ReleaseState.KEPT_OUT, ReleaseState.CANDIDATE]
    stop(space.database, "default", None, "enough")
    assert space.registry.get("default", moved.variant_id).state is ReleaseState.KEPT_OUT


def test_a_candidate_that_was_named_may_be_tried_again_unless_it_was_found_no_better(space, tmp_path):
    other = stored(space.artifacts, save_tiny_chat(tmp_path / "other", steps=1))
    variant = register_chat_model(space, "default", other, SMOKE)
    with trying(space, str(variant.id), **ASKED_FIRST):
        stop(space.database, "default", None, "another time")
    assert space.registry.get("default", variant.id) == variant
    with trying(space, str(variant.id), **ASKED_FIRST):
        experiment, now = get_experiment(space.database, "default"), later()
        seen = look_at(space.database, experiment, now)
        keep_look(space.database, experiment, seen.model_copy(update={"finding": Finding.LOSER}))
        settle(space.database, now + timedelta(hours=1))
    assert space.registry.get("default", variant.id).state is ReleaseState.KEPT_OUT


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_empty_reason_to_stop_is_refused(space, reason):
    with trying(space, FROM_MEMORY), pytest.raises(ConfigError, match="a reason of no words says nothing"):
        stop(space.database, "default", None, reason)
    assert get_experiment(space.database, "default").state is ExperimentState.RUNNING


def test_silence_that_differs_by_side_makes_no_winner(space):
    """Of a variant that is no better, and whose unhappy users say nothing."""
    with trying(space, NOTHING_ELSE) as trials:
        for i in range(100):
            answer = ask(trials, OPENS, f"user-{i}")
            if i % 2:
                say(space, answer, FeedbackKind.THUMB_UP)
            elif answer.variant.endswith("control"):
                say(space, answer, FeedbackKind.THUMB_DOWN)
        assert settle(space.database, later()) == []
    seen = get_experiment(space.database, "default").look
    assert (seen.finding, seen.mean_variant) == (Finding.GO_ON, 1.0)
    assert seen.gain.low > 0
    assert (seen.asked_control, seen.asked_variant) > (seen.n_control - 1, seen.n_variant)
    assert seen.asked_control + seen.asked_variant == 100
    assert "not proven whatever is true of the others" in seen.reason


def test_what_was_seen_a_short_while_ago_is_not_looked_up_again(space):
    with trying(space, NOTHING_ELSE) as trials:
        judge(space, ask(trials, OPENS, "somebody"))
    settle(space.database)
    as_if_asked_before(space)
    seen = []
    for rests_until in (utc_now() + timedelta(hours=1), utc_now()):
        with space.database.session() as session:
            session.exec(select(ExperimentRow)).one().rests_until = rests_until
        look = looked(space.database, get_experiment(space.database, "default")).look
        seen.append(look.n_control + look.n_variant)
    assert seen == [0, 1]


def test_an_experiment_of_another_version_keeps_nothing_else_from_going_on(space, caplog):
    with trying(space, FROM_MEMORY) as trials:
        answer = ask(trials, OPENS, "somebody")
        with space.database.session() as session:
            row = session.exec(select(ExperimentRow)).one()
            row.config = row.config | {"patience": 3}
        assert ask(trials, OPENS, "somebody").variant is None
        judge(space, answer)
    assert "experiment 1 of default was begun by another version of ragloop (config.patience: Extra" in caplog.text
    assert [settle(space.database), running(space.database), list_experiments(space.database, "default")] == [[]] * 3
    with pytest.raises(UnreadableExperiment, match="use that version to see or stop it"):
        stop(space.database, "default", 1, "by hand")
    with space.database.session() as session:
        session.exec(select(ExperimentRow)).one().state = ExperimentState.STOPPED
    assert untold(space.database) == []


def test_the_end_is_told_once(space):
    with trying(space, FROM_MEMORY):
        assert untold(space.database) == []
    assert len(running(space.database)) == 1
    stop(space.database, "default", None, "by hand")
    (ended,) = untold(space.database)
    mark_told(space.database, ended)
    assert untold(space.database) == []
    assert utc_now() - ended.ended_at < timedelta(minutes=5)
