"""Tasks that look at how a collection is used. What people wrote stays out of Prefect, where nothing is sealed."""

from datetime import date

from prefect import get_client, task
from prefect.artifacts import Artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import TypeAdapter

from rag.config import Config
from rag.evaluation.tables import picture_markdown
from rag.monitoring.alerts import Alert, Changed, RaisedAlert, changed
from rag.monitoring.report import Monitoring, monitor
from rag.monitoring.tables import drift_rows, retention_rows, topic_rows, use_rows
from rag.settings import Settings
from rag.workspace import Workspace
from tasks.events import send_event
from tasks.publishing import artifact_key

STANDING = "alerts"
_ALERTS = TypeAdapter(list[RaisedAlert])


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
def compare_alerts(alerts: tuple[Alert, ...], collection: str, today: date) -> Changed:
    """Return what has changed since the last run, which has left what stood then."""
    last = Artifact.get(artifact_key(STANDING, collection))
    before = _ALERTS.validate_json(str(last.data)) if last else []
    return changed(alerts, before, today)


@task(cache_policy=NO_CACHE, retries=3, retry_delay_seconds=10)
def tell_alerts(alerts: Changed, collection: str) -> None:
    """Send an event for each alert that is new or has ended, then leave what stands for the next run."""
    with get_client(sync_client=True) as client:
        for event, those in (("raised", alerts.raised), ("ended", alerts.ended)):
            for alert in those:
                resource = {
                    "prefect.resource.id": f"ragloop.alert.{collection}.{alert.metric}",
                    "prefect.resource.name": f"{alert.metric} of {collection}",
                    "ragloop.collection": collection,
                }
                payload, event_id = alert.model_dump(mode="json"), alert.event_id(collection, event)
                send_event(client, f"ragloop.alert.{event}", resource, payload=payload, event_id=event_id)
    rows = _ALERTS.dump_python(alerts.standing, mode="json")
    create_table_artifact(key=artifact_key(STANDING, collection), table=rows, description=f"Alerts on {collection}")
