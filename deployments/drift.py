"""Where the server differs from `prefect.yaml` and the code beside it."""

import json
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events import AutomationCore
from prefect.exceptions import ObjectNotFound

from deployments.automations import automation_differences, wanted_automations
from deployments.declaration import Facts, declared_deployments, declared_facts, declared_triggers, schedule_facts
from deployments.pools import pool_differences
from deployments.server import connect

Deployed = dict[str, DeploymentResponse | None]
"""The server's deployments by full name, None where one is missing."""


def differences() -> list[str]:
    """Return a line for each thing on the server that is not as declared; none if all is.

    :raises ServerUnreachable: if no server answers.
    """
    with connect() as client:
        found = deployed(client)
        automations = [line for group in declared_automations(found) for line in automation_differences(client, group)]
        return pool_differences(client) + deployment_differences(found) + automations


def deployed(client: SyncPrefectClient) -> Deployed:
    """Return what the server has of the declared deployments."""
    found: Deployed = {}
    for name in declared_deployments():
        try:
            found[name] = client.read_deployment_by_name(name)
        except ObjectNotFound:
            found[name] = None
    return found


def deployment_differences(found: Deployed) -> list[str]:
    """Return a line for each fact of a deployment that is not as declared."""
    lines = []
    for name, entry in declared_deployments().items():
        there = found[name]
        if there is None:
            lines.append(f"deployment {name}: missing")
            continue
        wanted, is_there = declared_facts(entry), _facts(there)
        for fact in sorted(wanted.keys() | is_there.keys()):
            if wanted.get(fact) != is_there.get(fact):
                lines.append(f"deployment {name}: {fact} is {_said(is_there, fact)}, should be {_said(wanted, fact)}")
    return lines


def declared_automations(
    found: dict[str, DeploymentResponse | None],
) -> tuple[list[AutomationCore], list[AutomationCore]]:
    """Return the automations of the triggers in `prefect.yaml`, and those in code; none until all is deployed."""
    ids: dict[str, UUID] = {name: each.id for name, each in found.items() if each}
    if len(ids) < len(found):
        return [], []
    entries = declared_deployments()
    triggers = [each for name, entry in entries.items() for each in declared_triggers(entry, ids[name])]
    return triggers, wanted_automations(ids)


def _facts(found: DeploymentResponse) -> Facts:
    limit, options = found.global_concurrency_limit, found.concurrency_options
    facts = {
        "entry point": found.entrypoint,
        "version": found.version,
        "work pool": found.work_pool_name,
        "job variables": found.job_variables,
        "description": found.description,
        "tags": sorted(found.tags),
        "parameters": found.parameters,
        "parameter schema": found.parameter_openapi_schema,
        "parameters are checked": found.enforce_parameter_schema,
        "concurrency limit": limit.limit if limit else None,
        "collision strategy": options.collision_strategy.value if options else None,
        "pull steps": found.pull_steps or [],
        "paused": found.paused,
    }
    for each in found.schedules:
        cron, timezone = getattr(each.schedule, "cron", None), getattr(each.schedule, "timezone", None)
        facts |= schedule_facts(each.slug, cron, timezone, each.active, each.parameters)
    return facts


def _said(facts: dict[str, Any], fact: str) -> str:
    if fact not in facts:
        return "missing"
    text = json.dumps(facts[fact], sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
