"""One training at a time on a card, whoever starts it."""

import json
import time
from itertools import pairwise

import pytest

from tests.e2e.conftest import wait_until
from tests.e2e.remote import Remote, seconds

POOL = [{"collection": "one"}, {"collection": "one", "shuffle_labels": True}, {"collection": "two"}]
BY_HAND = ("retrain", "-c", "two", "--shuffle-labels")


@pytest.fixture(scope="module")
def remote(up):
    remote = Remote(up)
    remote.prepare("one")
    remote.prepare("two")
    return remote


@pytest.fixture(scope="module")
def trained(remote):
    """Three training runs started at once in the pool, and one by hand beside it: who had the card, in order."""
    pool = [remote.start("train-embedder", parameters) for parameters in POOL]
    by_hand = remote.ragloop.start(*BY_HAND)
    holders = []
    end = time.monotonic() + 420
    while time.monotonic() < end:
        holder = remote.device.holder()
        if holder is not None and (not holders or holders[-1] != holder):
            holders.append(holder)
        if by_hand.poll() is not None and all(remote.run(r)["state"]["type"] == "COMPLETED" for r in pool):
            break
        time.sleep(0.05)
    assert by_hand.poll() == 0, (remote.ragloop.folder / "background.log").read_text()
    return [remote.run(run_id) for run_id in pool], by_hand.pid, holders


def test_runs_of_the_pool_follow_one_another(trained):
    runs, _, _ = trained
    intervals = sorted(seconds(run) for run in runs)
    assert all(before[1] <= after[0] for before, after in pairwise(intervals))


def test_a_run_by_hand_trains_between_them_and_never_beside_one(remote, trained):
    runs, by_hand, holders = trained
    assert len({holder.pid for holder in holders}) == len(POOL) + 1
    assert by_hand in {holder.pid for holder in holders}
    trainings = sorted(_trainings(remote))
    assert len(trainings) == len(POOL) + 1
    assert all(before[1] <= after[0] for before, after in pairwise(trainings))


def _trainings(remote):
    """Return when each training began and ended, as the artifacts say it."""
    for path in (remote.up.home / "artifacts" / "embedder").glob("*/manifest.json"):
        facts = json.loads(path.read_text())["facts"].get("training")
        if facts:
            yield facts["began_at"], facts["ended_at"]


def test_who_has_the_card_is_told(remote, trained):
    with remote.device.held("a test"):
        assert wait_until(lambda: "a test" in remote.ragloop.ok("status"), 30)
