"""A collection is looked at, and what is wrong is told once."""

import json
import time

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter
from prefect.events.filters import EventFilter, EventNameFilter

from flows.ingest import ingest
from flows.monitor import monitor
from rag.errors import RagloopError
from rag.monitoring.alerts import RaisedAlert
from rag.profiles import Profile
from rag.settings import Settings
from rag.workspace import Workspace
from storage.columns import utc_now
from storage.tables import InteractionRow
from tasks.publishing import artifact_key
from tests.rag.monitoring.uses import interaction, keep, react

WORD = "quoxelwright"
QUESTION = f"Where may visitors leave the {WORD}?"


@pytest.fixture
def town(home, tmp_path):
    """A home with one document, about which many asked today."""
    (tmp_path / "town.md").write_text("The weathercock of the town hall is a gilded pike, cast in 1887.")
    release = ingest([str(tmp_path / "town.md")], profile=Profile.SMOKE).release_id
    space = Workspace.open(Settings())
    rows = [interaction(release, utc_now(), QUESTION, f"user {i}", found=False, support=0.0) for i in range(12)]
    keep(space.database, rows)
    return space


def artifacts(key):
    """Return what the runs have left under a key, oldest first."""
    wanted = ArtifactFilter.model_validate({"key": {"any_": [key]}})
    with get_client(sync_client=True) as client:
        return sorted(client.read_artifacts(artifact_filter=wanted), key=lambda each: each.created)


def events(name, n):
    """Return what the server was told under a name, by the event's id, once it has written n events down."""
    until = time.monotonic() + 60
    while True:
        with get_client(sync_client=True) as client:
            found = client.read_events(EventFilter(event=EventNameFilter(name=[name])), limit=50).events
        if len(found) >= n or time.monotonic() > until:
            return {each.id: each.payload for each in found}
        time.sleep(1)


def judge(space, kind):
    with space.database.reading() as session:
        ids = [row.id for row in session.query(InteractionRow).all()]
    for id_ in ids:
        react(space.database, id_, kind, utc_now(), f"who asked {id_}")


def test_use_is_left_to_look_at_without_a_word_that_people_wrote(town):
    (seen,) = monitor(profile=Profile.SMOKE)
    assert seen.to_document[0].people == 12 and seen.to_document[0].question is None
    today = json.loads(artifacts("use-by-day-default")[-1].data)[-1]
    assert (today["questions"], today["users"], today["unanswered"]) == (12, 12, "100%")
    left = {key: artifacts(f"{key}-default")[-1].data for key in ("use-by-week", "retention", "drift", "to-document")}
    assert json.loads(left["to-document"]) == [
        {"topic": 1, "people": 12, "questions": 12, "unanswered": 12, "judged wrong": 0}
    ]
    assert "(data:image/png;base64," in artifacts("use-picture-default")[-1].data
    assert json.loads(artifacts("alerts-default")[-1].data) == []
    with get_client(sync_client=True) as client:
        kept = [artifact.model_dump_json() for artifact in client.read_artifacts()]
        told = [event.model_dump_json() for event in client.read_events(EventFilter(), limit=50).events]
    assert len(kept) >= 7 and not any(WORD in each for each in [*kept, *told])
    files = [path for path in town.home.rglob("*") if path.is_file()]
    assert not any(WORD.encode() in path.read_bytes() for path in files)


def test_an_alert_is_told_once_and_its_end_once(town):
    judge(town, "thumb_down")
    (seen,) = monitor("default", Profile.SMOKE)
    assert [alert.metric for alert in seen.alerts] == ["correct"]
    ((before,), (standing,)) = (json.loads(each.data) for each in artifacts("alerts-default")[-2:])
    alert = RaisedAlert.model_validate(standing)
    id_ = alert.event_id("default")
    assert (alert.metric, alert.value, alert.since) == ("correct", 0.0, seen.at)
    assert (before["told"], standing["told"]) == (False, True)
    assert events("ragloop.alert.raised", 1) == {id_: alert.model_dump(mode="json", exclude={"ended", "told"})}

    monitor("default", Profile.SMOKE)
    assert json.loads(artifacts("alerts-default")[-1].data) == [standing]

    judge(town, "thumb_up")
    assert monitor("default", Profile.SMOKE)[0].alerts == ()
    assert json.loads(artifacts("alerts-default")[-1].data) == []
    assert set(events("ragloop.alert.ended", 1)) == {alert.model_copy(update={"ended": True}).event_id("default")}
    assert set(events("ragloop.alert.raised", 1)) == {id_}


def test_each_collection_that_serves_is_looked_at_with_alerts_of_its_own(town, tmp_path):
    (tmp_path / "village.md").write_text("The well of the village is 40 m deep.")
    for name in ("Guides", "guides"):
        release = ingest([str(tmp_path / "village.md")], collection=name, profile=Profile.SMOKE).release_id
    judge(town, "thumb_down")
    assert [seen.collection for seen in monitor(profile=Profile.SMOKE)] == ["Guides", "default", "guides"]
    left = {name: artifacts(artifact_key("alerts", name))[-1].data for name in ("Guides", "default", "guides")}
    assert [len(json.loads(data)) for data in left.values()] == [0, 1, 0]
    assert len({artifact_key("alerts", name) for name in left}) == 3

    def n_left():
        return {name: len(artifacts(artifact_key("alerts", name))) for name in left}

    before = n_left()
    broken = interaction(release, utc_now(), QUESTION)
    broken.collection, broken.retrieved = "Guides", [{"rank": 1}]
    keep(town.database, [broken])
    with pytest.raises(RagloopError, match=r"^not looked at: Guides \('score'\)$"):
        monitor(profile=Profile.SMOKE)
    assert [name for name, n in n_left().items() if n > before[name]] == ["default", "guides"]
