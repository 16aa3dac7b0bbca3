"""What people asked -> use, drift, what to document next, and alerts."""

from collections.abc import Sequence

from prefect import flow, get_run_logger

from flows.parameters import ProfileName, ServingCollection, stage_config, stage_name
from rag.config import Config
from rag.errors import RagloopError
from rag.monitoring.report import Monitoring
from tasks.monitoring import compare_alerts, look_at_use, publish_use, tell_alerts, watched_collections


@flow(flow_run_name=stage_name)
def monitor(collection: ServingCollection = None, profile: ProfileName = None) -> list[Monitoring]:
    """Look at how a collection is used, or each that serves, and tell what is wrong once.

    :raises RagloopError: if one could not be looked at, once the others were.
    """
    return looked_at_each(watched_collections(collection), stage_config(profile))


def looked_at_each(collections: Sequence[str], config: Config) -> list[Monitoring]:
    """Look at one after another; one that cannot be looked at is told after the others."""
    looks, failed = list[Monitoring](), dict[str, Exception]()
    for each in collections:
        try:
            looks.append(looked_at(each, config))
        except Exception as error:  # whatever is wrong with one, it is wrong every night, and others come after it
            get_run_logger().exception("%s could not be looked at", each)
            failed[each] = error
    if failed:
        raise RagloopError("not looked at: " + "; ".join(f"{each} ({error})" for each, error in failed.items()))
    return looks


def looked_at(collection: str, config: Config) -> Monitoring:
    """Look at one collection, and tell what is wrong there once."""
    seen = look_at_use(collection, config)
    publish_use(seen, config)
    tell_alerts(compare_alerts(seen.alerts, collection, seen.at), collection)
    return seen
