from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import text

from rag.answering.answer import Question, Way
from rag.errors import UnreadableDocument
from rag.experiments.experiment import ExperimentState, end, get_experiment
from rag.experiments.settling import settle
from rag.experiments.variants import start_experiment
from storage.errors import ReleaseNotFound
from storage.tables import ExposureRow, InteractionRow
from tests.rag.experiments.shop import (
    BREAD,
    FROM_MEMORY,
    NO_RAILS,
    NOTHING_ELSE,
    OPENS,
    RIGHT,
    ask,
    exposure,
    row,
    rows,
    trying,
    with_experiments,
)

USERS = [f"user-{i}" for i in range(24)]


def test_a_user_is_answered_by_the_same_side_always_and_both_have_users(space):
    with trying(space, FROM_MEMORY) as trials:
        first = {user: ask(trials, OPENS, user) for user in USERS}
        again = {user: ask(trials, BREAD, user) for user in USERS}
    experiment = get_experiment(space.database, "default")
    assert {answer.variant for answer in first.values()} == {"1/control", "1/variant"}
    for user in USERS:
        assert first[user].variant == again[user].variant
        treated = first[user].variant == "1/variant"
        assert first[user].way is (Way.CLOSED_BOOK if treated else Way.RAG)
        assert first[user].release_id == (experiment.variant_id if treated else experiment.control_id)


def test_who_was_shown_what_is_written_down(space):
    with trying(space, FROM_MEMORY, share=0.25) as trials, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda user: ask(trials, OPENS, user), USERS))
    experiment = get_experiment(space.database, "default")
    for user, answer in zip(USERS, answers, strict=True):
        shown = exposure(space, answer)
        assert (shown.experiment_id, shown.user_fingerprint, shown.chance) == (experiment.id, user, 0.25)
        assert shown.treated == (answer.variant == "1/variant")
        assert shown.release_id == answer.release_id
        assert not shown.failed
        kept = row(space, InteractionRow, id=answer.id)
        assert (kept.variant, kept.release_id) == (answer.variant, answer.release_id)


def test_it_is_written_down_before_there_is_an_answer(space):
    question = Question(text=OPENS, user_fingerprint="somebody")
    with trying(space, NOTHING_ELSE) as trials, closing(trials.stream("default", question)) as events:
        next(events)
        assert row(space, ExposureRow, interaction_id=question.id).user_fingerprint == "somebody"
        assert not rows(space, InteractionRow, id=question.id)


def test_a_question_that_names_a_way_or_that_nobody_asks_has_no_part(space):
    with trying(space, FROM_MEMORY) as trials:
        *_, done = trials.stream("default", Question(text=OPENS, user_fingerprint="somebody"), Way.CLOSED_BOOK)
        assert (done.answer.variant, done.answer.way) == (None, Way.CLOSED_BOOK)
        assert ask(trials, OPENS, None).variant is None
        assert ask(trials, OPENS, "a key", named=False).variant is None
    assert not rows(space, ExposureRow)


def test_without_an_experiment_nothing_is_written(space):
    with trying(space) as trials:
        assert ask(trials, OPENS, "somebody").variant is None
    assert not rows(space, ExposureRow)


def test_a_question_with_a_part_is_answered_anew_and_its_answer_given_to_nobody_else(space):
    with trying(space) as trials:
        ask(trials, OPENS, None)
        start_experiment(space, trials._engines, "default", FROM_MEMORY, with_experiments(NO_RAILS))
        answers = [ask(trials, question, user) for user in USERS for question in RIGHT for _ in range(2)]
        assert {answer.variant for answer in answers} == {"1/control", "1/variant"}
        assert not any(answer.cached for answer in answers)
        assert [ask(trials, question, None).cached for question in (OPENS, BREAD, BREAD)] == [True, False, True]


def test_a_variant_that_cannot_be_opened_is_an_error_of_the_variant_and_the_control_answers(space):
    with trying(space, FROM_MEMORY):
        pass
    control = space.registry.production("default")
    space.artifacts.remove(control.chat_model)
    with trying(space) as trials:
        answers = [ask(trials, OPENS, user) for user in USERS for _ in range(2)]
        end(space.database, get_experiment(space.database, "default"), ExperimentState.STOPPED, "by hand")
        twice = [ask(trials, OPENS, USERS[0]) for _ in range(2)]
    for answer in answers:
        treated = answer.variant == "1/variant"
        assert (answer.release_id, answer.way) == (control.id, Way.RAG)
        assert exposure(space, answer).failed == treated
        assert [silent.generator for silent in answer.silent] == (["release 3"] if treated else [])
        assert row(space, InteractionRow, id=answer.id).silent == [silent.model_dump() for silent in answer.silent]
    told = [answer.silent[0].reason for answer in answers if answer.silent]
    assert "not asked for another" not in told[0]
    assert all("not asked for another" in reason for reason in told[1:])
    assert [(after.cached, after.silent, after.variant) for after in twice] == [(False, (), None), (True, (), None)]


def test_an_answer_that_fails_is_noted_and_one_whose_reader_leaves_is_not(space):
    with trying(space, NOTHING_ELSE) as trials:
        wrong = Question(text=OPENS, user_fingerprint="somebody", documents=("nowhere.txt",))
        with pytest.raises(UnreadableDocument):
            list(trials.stream("default", wrong))
        left = Question(text=OPENS, user_fingerprint="somebody")
        with closing(trials.stream("default", left)) as events:
            next(events)
    assert row(space, ExposureRow, interaction_id=wrong.id).failed
    assert not row(space, ExposureRow, interaction_id=left.id).failed
    assert row(space, InteractionRow, id=left.id).timings["total"] > 0


def test_where_answers_may_take_longer_than_is_waited_for_nobody_has_a_part(space, caplog):
    """As the shell's config said otherwise in which the experiment was begun."""
    with trying(space, NOTHING_ELSE):
        pass
    with trying(space, total_s=200) as trials:
        assert [ask(trials, OPENS, user).variant for user in USERS[:4]] == [None] * 4
    (told,) = [each.getMessage() for each in caplog.records if each.name == "rag.experiments.trials"]
    assert told.startswith("nobody has a part in experiment 1 of default here: an answer may take ")
    assert not rows(space, ExposureRow)


def test_while_the_experiments_cannot_be_looked_up_they_go_on_as_they_were(space, caplog):
    with trying(space, NOTHING_ELSE) as trials:
        assert ask(trials, OPENS, "somebody").variant
        with space.database.session() as session:
            session.execute(text("alter table experiment rename column shares to parts"))
        assert ask(trials, OPENS, "somebody").variant
    assert "the experiments cannot be looked up: those that ran before go on" in caplog.text


def test_once_something_else_serves_or_it_has_ended_nobody_has_a_part(space):
    with trying(space, FROM_MEMORY) as trials:
        assert ask(trials, OPENS, "somebody").variant
        space.registry.rollback("default", "by hand")
        assert ask(trials, OPENS, "somebody").variant is None
    settle(space.database)
    with trying(space, NOTHING_ELSE) as trials:
        assert ask(trials, OPENS, "somebody").variant
        end(space.database, get_experiment(space.database, "default"), ExperimentState.STOPPED, "by hand")
        assert ask(trials, OPENS, "somebody").variant is None


def test_the_variants_engine_serves_on_when_it_is_promoted_and_is_let_go_otherwise(space):
    with trying(space, FROM_MEMORY) as trials:
        engines, experiment = trials._engines, get_experiment(space.database, "default")
        trials.warm()
        variant = engines.tried(space.registry.get("default", experiment.variant_id))
        assert variant.retriever is engines.of("default").retriever
        space.registry.promote("default", experiment.variant_id, "by hand")
        end(space.database, experiment, ExperimentState.PROMOTED, "by hand")
        assert ask(trials, OPENS, "somebody").way is Way.CLOSED_BOOK
        assert engines.of("default") is variant
        assert not engines._tried


def test_what_cannot_be_opened_in_one_collection_fails_no_other(space):
    with trying(space, NOTHING_ELSE) as trials:
        assert ask(trials, OPENS, "somebody").variant
        trials.warm()
        serving = space.registry.production("default")
        broken = space.registry.register(
            "default",
            parent_id=serving.id,
            reason="broken",
            embedder=serving.embedder,
            index=serving.index,
            answering={"candidates": "many"},
            config={},
            lineage=serving.lineage,
        )
        space.registry.promote("default", broken.id, "by hand")
        end(space.database, get_experiment(space.database, "default"), ExperimentState.STOPPED, "by hand")
        with pytest.raises(ReleaseNotFound, match="'elsewhere' has no release"):
            trials.stream("elsewhere", Question(text=OPENS, user_fingerprint="somebody"))
        assert not trials._engines._tried
