"""Bring a Prefect server to what is declared, any number of times."""

import os
import subprocess
import sys
import tempfile

from prefect.client.orchestration import SyncPrefectClient

from deployments.automations import (
    NIGHTLY_AWAITED,
    RETRAIN,
    automation_differences,
    drop_other_automations,
    ensure_automations,
)
from deployments.declaration import PREFECT_FILE, declared_deployments, read_declaration
from deployments.drift import declared_automations, deployed, deployment_differences
from deployments.events import related_deployment, send_event
from deployments.pools import ensure_pools
from deployments.server import connect, server_address
from storage.errors import RagloopError


class DeployFailed(RagloopError):
    """`prefect deploy` was refused."""


def bootstrap(pool_type: str = "process") -> list[str]:
    """Make or mend pools, limits, deployments, schedules and automations; return a line for each change.

    What is as declared is not touched, so that ids, windows of automations and scheduled runs stay.

    :raises ServerUnreachable: if no server answers.
    :raises DeclarationMissing: if `prefect.yaml` is not beside the package.
    :raises UnknownPoolType: if no package here brings work pools of that type.
    :raises DeployFailed: if the server refuses a deployment.
    """
    read_declaration()
    with connect() as client:
        lines = ensure_pools(client, pool_type)
        found = deployed(client)
        changes = deployment_differences(found)
        triggers, _ = declared_automations(found)
        if changes := changes + automation_differences(client, triggers):
            _deploy()
            _drop_other_schedules(client)
            lines += [f"{line}; deployed" for line in changes]
        triggers, automations = declared_automations(deployed(client))
        lines += drop_other_automations(client, triggers)
        lines += ensure_automations(client, automations)
        _await_nightly(client)
    return lines


def _deploy() -> None:
    """Deploy everything in `prefect.yaml` as a person would, from a folder that it cannot touch."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE)]
    environment = os.environ | {"PREFECT_API_URL": server_address(), "NO_COLOR": "1", "COLUMNS": "200"}
    with tempfile.TemporaryDirectory(prefix="ragloop-deploy-") as folder:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise DeployFailed(f"`prefect deploy --all` was refused: {said[-1] if said else 'it said nothing'}")


def _drop_other_schedules(client: SyncPrefectClient) -> None:
    """Remove schedules that are not declared; a deploy leaves those that have a name of their own."""
    for name, entry in declared_deployments().items():
        found = client.read_deployment_by_name(name)
        declared = {each["slug"] for each in entry.get("schedules", [])}
        for schedule in found.schedules:
            if schedule.slug not in declared:
                client.delete_deployment_schedule(found.id, schedule.id)


def _await_nightly(client: SyncPrefectClient) -> None:
    """Let the automation wait for a nightly retraining from now on; it changes nothing where it waits already."""
    retrain = client.read_deployment_by_name(RETRAIN)
    auto_scheduled = {"prefect.resource.id": "prefect.tag.auto-scheduled", "prefect.resource.role": "tag"}
    resource = {"prefect.resource.id": "ragloop.nightly"}
    send_event(client, NIGHTLY_AWAITED, resource, [related_deployment(retrain.id), auto_scheduled])
