"""Runs that count as running though nothing carries them out any more."""

import logging
from collections.abc import Iterable
from datetime import datetime

from deployments.processes import running_flow_runs

logger = logging.getLogger(__name__)


def crash_lost_runs(workers: Iterable[str], before: datetime) -> None:
    """Mark as crashed what these workers took before a moment and no process carries out.

    Never fails: what is not done here, an automation does after its time.
    """
    from deployments.runs import settle
    from deployments.server import connect

    alive = running_flow_runs()
    try:
        with connect() as client:
            lost = settle(client, workers, before, lambda run: str(run.id) in alive)
    except Exception as error:
        logger.warning("lost runs were not looked for, and count as running for a while: %s", error)
        return
    for name in lost:
        logger.info("%s has lost its process: marked as ended", name)
