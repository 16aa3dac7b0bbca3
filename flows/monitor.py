"""What people asked -> use, drift, what to document next, and alerts."""

from prefect import flow

from flows.parameters import ProfileName, ServingCollection, stage_config, stage_name
from rag.monitoring.report import Monitoring
from tasks.monitoring import compare_alerts, look_at_use, publish_use, tell_alerts, watched_collections


@flow(flow_run_name=stage_name)
def monitor(collection: ServingCollection = None, profile: ProfileName = None) -> list[Monitoring]:
    """Look at how a collection is used, or each that serves, and tell what is wrong once."""
    config, looks = stage_config(profile), []
    for each in watched_collections(collection):
        seen = look_at_use(each, config)
        publish_use(seen, config)
        tell_alerts(compare_alerts(seen.alerts, each, seen.at), each)
        looks.append(seen)
    return looks
