"""The learning page: what waits, releases and their verdicts, and changes of production with a second click."""

from types import SimpleNamespace

import pytest

from app.api.retrainings import RunState
from app.page import retraining
from app.page.client import Api
from rag.feedback.claims import MOST_OF_ONE
from rag.releases import holds_all_documents
from tests.app.api.conftest import Workers, add_documents, open_space, serving
from tests.app.api.test_streams import until
from tests.app.page.conftest import Visit, plain

QUESTION = "What is the weathercock of the town hall?"
TOWER = "The tower of the town hall has 211 steps."


@pytest.fixture(scope="module")
def town(tmp_path_factory, documents):
    """A server of a home with two releases, the second of which serves."""
    folder = tmp_path_factory.mktemp("learning")
    space = open_space(folder, requests_per_minute=0, feedback_threshold=3)
    config = space.settings.stages("smoke")
    add_documents(space, "default", documents / "town", config)
    (folder / "tower").mkdir()
    (folder / "tower" / "tower.md").write_text(TOWER)
    add_documents(space, "default", folder / "tower", config)
    with serving(space, retrainings=Workers()) as running:
        yield running


@pytest.fixture
def learning(town, monkeypatch):
    """Open the learning page with a fresh key of a role."""
    monkeypatch.setenv("RAGLOOP_PAGE_API", town.url)
    monkeypatch.setenv("RAGLOOP_PAGE_PREFECT", "http://127.0.0.1:4200")

    def opened(role):
        visit = Visit()
        visit.sign_in(town.key(role))
        visit.go_to("learning")
        return visit

    return opened


def states(town):
    return {each.id: each.state for each in town.space.registry.list("default")}


def test_a_reader_is_told_what_it_takes(learning):
    assert any("takes trainer" in error for error in learning("reader").errors)


def test_a_thumb_is_counted(town, learning):
    visit = learning("trainer")
    assert any("0 of 3" in each.proto.text for each in visit.page.progress)
    visit.go_to("")
    (answer,) = visit.ask(QUESTION).values()
    visit.page.feedback(key=f"thumb-{answer['id']}").set_value(0).run()
    visit.go_to("learning")
    assert any("1 of 3" in each.proto.text for each in visit.page.progress)
    (missing,) = [text for text in visit.markdown if "2 more start a retraining" in text]
    assert f"At most {MOST_OF_ONE} of one person count" in missing
    assert QUESTION in visit.texts, "what was answered wrongly is to be documented"
    visit.go_to("")
    assert answer["text"] in visit.texts, "the conversation is still there"


def starting(visit):
    (button,) = [each for each in visit.page.button if each.label == "Start a retraining"]
    return button


def test_a_retraining_says_what_it_does_is_started_once_and_followed_to_its_end(town, learning):
    visit, other, workers = learning("trainer"), learning("trainer"), town.service.retrainings
    assert any("Only what is proven better serves" in text for text in visit.markdown)
    visit.click("Start a retraining")
    assert any("waits for a worker" in text for text in visit.markdown)
    (link,) = visit.page.link_button
    assert link.url == "http://127.0.0.1:4200/runs/flow-run/run-1-of-default"
    assert starting(visit).disabled
    other.click("Start a retraining")  # where the button is still as it was
    assert len(workers.runs) == 1
    assert starting(other).disabled
    workers.go_on("running")
    visit.page.run()
    assert any("A retraining runs since" in text for text in visit.markdown)
    workers.go_on("done", "KEEP release 3: the gain is not proven")
    visit.page.run()
    assert any("KEEP release 3: the gain is not proven" in text.replace("\\", "") for text in visit.markdown)
    assert not starting(visit).disabled


def test_a_retraining_that_fails_is_told_and_may_be_started_again(town, learning):
    visit, workers = learning("trainer"), town.service.retrainings
    visit.click("Start a retraining")
    workers.go_on("failed", "no pairs: add documents")
    visit.page.run()
    assert "The last retraining has failed: no pairs: add documents" in visit.errors
    visit.click("Start a retraining")
    workers.go_on("cancelled")
    visit.page.run()
    assert any("was cancelled" in each.value for each in visit.page.warning)
    assert any(text.endswith("failed: no pairs: add documents") for text in visit.texts), "among the earlier ones"


def test_without_workers_it_is_said_what_to_start(visit):
    trainer = visit("trainer")
    trainer.go_to("learning")
    (said,) = [plain(each.value) for each in trainer.page.info if "Retrainings" in each.value]
    assert said.endswith("start it with ragloop up")
    assert not [each for each in trainer.page.button if each.label == "Start a retraining"]


def test_a_collection_that_has_learned_nothing_says_what_to_do_first(tmp_path, monkeypatch):
    with serving(open_space(tmp_path), retrainings=Workers()) as running:
        monkeypatch.setenv("RAGLOOP_PAGE_API", running.url)
        visit = Visit()
        visit.sign_in(running.key("trainer"))
        visit.go_to("learning")
    assert any("Add documents" in text for text in visit.markdown)
    assert not visit.errors
    assert not [each for each in visit.page.button if each.label == "Start a retraining"]


def test_production_changes_only_at_the_second_click(town, learning):
    first, second = sorted(states(town))
    registry = town.space.registry
    visit = learning("admin")
    visit.click(f"Promote release {first}")
    assert any("Sure?" in each.value for each in visit.page.warning)
    visit.click("No, leave it")
    assert states(town)[second] == "production"
    visit.click(f"Promote release {first}")
    visit.click(f"Yes, promote release {first}")
    assert any(f"Release {first} serves now" in text.replace("\\", "") for text in visit.markdown)
    until(lambda: holds_all_documents(town.space, registry.production("default")))
    assert registry.production("default").parent_id == first, "its models, over the documents as they stand"
    visit.click("Roll back")
    visit.click("Yes, roll back")
    assert states(town)[second] == "production"


def test_a_trainer_is_told_what_promoting_takes_instead_of_a_button(learning):
    visit = learning("trainer")
    assert any("rolling back takes the role admin" in each.value for each in visit.page.info)
    assert not [each for each in visit.page.button if each.label == "Roll back" or "Promote" in each.label]


def test_a_release_says_at_full_length_why_it_was_made(town, learning):
    serves = town.space.registry.production("default")
    visit = learning("trainer")
    assert serves.reason in visit.texts
    assert any(text.startswith(f"**Release {serves.id}**, production") for text in visit.markdown)


def test_a_retraining_that_no_worker_takes_says_where_workers_run(town, learning):
    visit, workers = learning("trainer"), town.service.retrainings
    visit.click("Start a retraining")
    workers.runs.insert(0, ("default", "run-by-hand", RunState.DONE, "KEEP release 3"))  # while the other still waits
    visit.page.run()
    assert any("Workers run where `ragloop up` does" in each.value for each in visit.page.info)
    assert starting(visit).disabled
    del workers.runs[0]
    workers.go_on("cancelled")


def test_a_watched_retraining_is_looked_at_less_often_as_time_passes(town):
    clock = SimpleNamespace(now=0.0)
    watch = retraining._Watch(Api(town.url, town.key("trainer")), "default", lambda: clock.now)
    before, looked = None, []
    for clock.now in range(1800):
        last = watch.last()
        if last is not before:
            looked.append(clock.now)
        before = last
    assert looked[:3] == [0, 3, 6]
    assert looked[-1] - looked[-2] == 30
    assert len(looked) < 150, "every three seconds would be 600"
