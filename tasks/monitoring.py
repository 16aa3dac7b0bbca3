"""Tasks that look at how a collection is used. What people wrote stays out of Prefect, where nothing is sealed."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from prefect import get_client, task
from prefect.artifacts import Artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import TypeAdapter

from rag.config import Config
from rag.evaluation.tables import picture_markdown
from rag.monitoring.alerts import Alert, Changed, RaisedAlert, changed
from rag.monitoring.report import Monitoring, monitor
from rag.monitoring.tables import drift_rows, retention_rows, topic_rows, use_rows
from rag.releases import serving_collections
from rag.settings import Settings
from rag.workspace import Workspace
from tasks.events import send_event
from tasks.publishing import artifact_key

STANDING = "alerts"
_ALERTS = TypeAdapter(list[RaisedAlert])


@task(cache_policy=NO_CACHE)
def watched_collections(collection: str | None) -> list[str]:
    """Return the collection that is to be looked at; without one all that serve."""
    return [collection] if collection else serving_collections(Workspace.open(Settings()))


@task(cache_policy=NO_CACHE)
def look_at_use(collection: str, config: Config) -> Monitoring:
    """Return what is seen, without a word that anybody wrote."""
    return monitor(Workspace.open(Settings()), collection, config).without_text()


@task(cache_policy=NO_CACHE)
def publish_use(seen: Monitoring, config: Config) -> None:
    """Leave use by day and week as tables and a picture, and drift and open topics in numbers."""
    from rag.monitoring.pictures import use_picture

    collection, title = seen.collection, f"Use of {seen.collection}"
    tables = {
        "use-by-day": use_rows(seen.usage.by_day),
        "use-by-week": use_rows(seen.usage.by_week),
        "retention": retention_rows(seen.usage.retention),
        "drift": drift_rows(seen.drift),
        "to-document": topic_rows(seen.to_document, text=False),
    }
    for what, rows in tables.items():
        create_table_artifact(key=artifact_key(what, collection), table=rows, description=f"{title}: {what}")
    picture = picture_markdown(title, use_picture(seen, config.monitoring, title))
    create_markdown_artifact(key=artifact_key("use-picture", collection), markdown=picture, description=title)


@task(cache_policy=NO_CACHE)
def compare_alerts(alerts: tuple[Alert, ...], collection: str, at: datetime) -> Changed:
    """Return what has changed since the last run, which has left what stood then and what it did not come to tell."""
    last = cast(Artifact | None, Artifact.get(artifact_key(STANDING, collection)))
    before = _ALERTS.validate_json(str(last.data)) if last else []
    return changed(alerts, before, at)


@task(cache_policy=NO_CACHE, retries=3, retry_delay_seconds=10)
def tell_alerts(alerts: Changed, collection: str) -> None:
    """Send an event for each alert that is new or has ended; a run that dies over it leaves that to the next one.

    What is to be told is written down before, so that it is the same event if it is sent again.
    """
    if alerts.untold:
        _leave([*alerts.ended, *alerts.standing], collection)
    with get_client(sync_client=True) as client:
        for alert in alerts.untold:
            resource = {
                "prefect.resource.id": f"ragloop.alert.{collection}.{alert.metric}",
                "prefect.resource.name": f"{alert.metric} of {collection}",
                "ragloop.collection": collection,
            }
            payload = alert.model_dump(mode="json", exclude={"ended", "told"})
            event_id = alert.event_id(collection)
            send_event(client, f"ragloop.alert.{alert.event}", resource, payload=payload, event_id=event_id)
    _leave((alert.model_copy(update={"told": True}) for alert in alerts.standing), collection)


def _leave(alerts: Iterable[RaisedAlert], collection: str) -> None:
    """Leave alerts to look at, and for the next run."""
    rows = _ALERTS.dump_python(list(alerts), mode="json")
    create_table_artifact(key=artifact_key(STANDING, collection), table=rows, description=f"Alerts on {collection}")
