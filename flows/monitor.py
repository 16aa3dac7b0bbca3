"""What people asked -> use, drift, what to document next, and alerts."""

from prefect import flow

from flows.parameters import CollectionName, ProfileName, stage_config, stage_name
from rag.monitoring.report import Monitoring
from tasks.monitoring import compare_alerts, look_at_use, publish_use, tell_alerts


@flow(flow_run_name=stage_name)
def monitor(collection: CollectionName = "default", profile: ProfileName = None) -> Monitoring:
    """Look at how a collection is used, and tell what is wrong once."""
    config = stage_config(profile)
    seen = look_at_use(collection, config)
    publish_use(seen, config)
    alerts = compare_alerts(seen.alerts, collection, seen.at.date())
    tell_alerts(alerts, collection)
    return seen
