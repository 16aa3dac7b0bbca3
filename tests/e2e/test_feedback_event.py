"""Feedback is recorded, and a retraining starts when there is enough: once, and also when nobody listened."""

from pathlib import Path
from uuid import uuid4

import pytest

from rag.feedback.claims import claim_feedback, waiting
from rag.feedback.recording import record_feedback, record_interaction
from rag.feedback.signals import Feedback, FeedbackKind, Interaction
from rag.settings import Settings
from rag.workspace import Workspace
from tests.e2e.conftest import Ragloop, Up, wait_until
from tests.e2e.remote import Remote
from tests.processes import at_once

THRESHOLD = 50
WRITERS = 8


def opened(home, key_file):
    return Workspace.open(Settings(home=Path(home), key_file=Path(key_file)))


def react(home, key_file, interaction_id, n):
    """Write feedback of as many people, as the API does for each."""
    space = opened(home, key_file)
    thumb = Feedback(interaction_id=interaction_id, kind=FeedbackKind.THUMB_UP)
    for _ in range(n):
        record_feedback(space.database, thumb.model_copy(update={"user_fingerprint": uuid4().hex}), THRESHOLD)


class Users:
    """People who react to one answer."""

    def __init__(self, ragloop):
        self.place = (str(ragloop.home), ragloop.environment["RAGLOOP_KEY_FILE"])
        self.database = opened(*self.place).database
        asked = Interaction(collection="default", release_id=1, question="How long is the warranty?")
        self.interaction = record_interaction(self.database, asked)

    def react(self, n):
        """Write n reactions from eight processes at once."""
        shares = [n // WRITERS + (place < n % WRITERS) for place in range(WRITERS)]
        at_once(react, [(*self.place, self.interaction, share) for share in shares])

    def new(self):
        return claim_feedback(self.database, "default")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """What happened: 49 reactions, a 50th, some more during the retraining, and the rest while nothing ran."""
    ragloop = Ragloop(tmp_path_factory.mktemp("feedback"))
    seen = {}
    up = Up(ragloop, "--no-page")
    try:
        remote = Remote(up)
        remote.prepare("default")
        users = Users(ragloop)
        users.react(THRESHOLD - 1)
        seen["swept at 49"] = ragloop.ok("sweep", "--json")
        seen["runs at 49"] = remote.runs("retrain")

        users.react(1)
        assert wait_until(lambda: remote.runs("retrain"), 300), up.said()
        assert wait_until(lambda: remote.runs("retrain")[0]["name"].endswith("-new"), 300)
        users.react(20)
        seen["first"] = remote.ended(remote.runs("retrain")[0]["id"])
        ragloop.ok("sweep")
        seen["left after the first"] = users.new()
        seen["runs after the first"] = remote.runs("retrain")
    finally:
        up.end()

    users.react(THRESHOLD - 20)
    seen["waiting while down"] = waiting(users.database, THRESHOLD)
    up = Up(ragloop, "--no-page")
    try:
        remote = Remote(up)
        assert wait_until(lambda: len(remote.runs("retrain")) > 1, 300), up.said()
        seen["second"] = remote.ended(remote.runs("retrain")[1]["id"])
        ragloop.ok("sweep")
        seen["left at the end"] = users.new()
        seen["runs at the end"] = remote.runs("retrain")
    finally:
        up.end()
    return seen


def test_less_than_the_threshold_starts_nothing(story):
    assert '"events": 0' in story["swept at 49"]
    assert story["runs at 49"] == []


def test_the_threshold_starts_one_retraining_that_says_why(story):
    first = story["first"]
    assert first["state"]["type"] == "COMPLETED", first["state"]
    assert first["parameters"]["reason"] == "feedback"
    assert first["name"] == "retrain-feedback-50-new"
    assert len(story["runs after the first"]) == 1


def test_what_comes_during_a_retraining_waits_for_the_next(story):
    assert (story["left after the first"].after, story["left after the first"].count) == (50, 20)


def test_feedback_written_while_nothing_ran_is_swept_up(story):
    [due] = story["waiting while down"]
    assert due.due and due.count == THRESHOLD
    assert story["second"]["state"]["type"] == "COMPLETED", story["second"]["state"]
    assert story["second"]["name"] == "retrain-feedback-50-new"


def test_every_reaction_is_consumed_once(story):
    assert (story["left at the end"].after, story["left at the end"].count) == (2 * THRESHOLD, 0)
    assert len(story["runs at the end"]) == 2
