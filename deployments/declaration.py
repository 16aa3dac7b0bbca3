"""What `prefect.yaml` declares, in the words of the server's objects."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prefect import Flow
from prefect.events import AutomationCore, DeploymentTriggerTypes
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from storage.errors import RagloopError

PREFECT_FILE = Path(__file__).parents[1] / "prefect.yaml"

Facts = dict[str, Any]
"""What is compared of a deployment: name of the fact -> plain value."""


class DeclarationMissing(RagloopError):
    """There is no `prefect.yaml` beside the package."""


def read_declaration() -> dict[str, Any]:
    """Return `prefect.yaml` as it stands.

    :raises DeclarationMissing: if it is not beside the package, e.g. after an installation from a wheel.
    """
    try:
        return dict(yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DeclarationMissing(
            f"{PREFECT_FILE} is not there: install ragloop from its source folder with `pip install -e .`"
        ) from None


def declared_deployments() -> dict[str, dict[str, Any]]:
    """Return the declared deployments by full name, `flow/deployment`."""
    entries = read_declaration()["deployments"]
    return {f"{declared_flow(each['entrypoint']).name}/{each['name']}": each for each in entries}


@cache
def declared_flow(entrypoint: str) -> Flow[..., Any]:
    """Return the flow at an entry point."""
    return load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)


def declared_facts(entry: dict[str, Any]) -> Facts:
    """Return what a declared deployment should look like on the server."""
    flow = declared_flow(entry["entrypoint"])
    limit = entry.get("concurrency_limit") or {}
    facts = {
        "entry point": entry["entrypoint"],
        "version": flow.version,
        "work pool": entry["work_pool"]["name"],
        "job variables": entry["work_pool"].get("job_variables", {}),
        "description": entry["description"],
        "tags": sorted(entry["tags"]),
        "parameters": entry.get("parameters", {}),
        "parameter schema": parameter_schema(flow).model_dump(mode="json", exclude_unset=True),
        "parameters are checked": entry["enforce_parameter_schema"],
        "concurrency limit": limit.get("limit"),
        "collision strategy": limit.get("collision_strategy"),
        "pull steps": [],
        "paused": False,
    }
    for each in entry.get("schedules", []):
        facts |= schedule_facts(each["slug"], each["cron"], each["timezone"], each["active"], each["parameters"])
    return facts


def schedule_facts(slug: str | None, cron: str | None, timezone: str | None, active: bool, parameters: Facts) -> Facts:
    """Return what is compared of a schedule, each fact under its own name."""
    facts = {"cron": cron, "time zone": timezone, "active": active, "parameters": parameters}
    return {f"schedule {slug}, {name}": value for name, value in facts.items()}


def declared_triggers(entry: dict[str, Any], deployment_id: Any) -> list[AutomationCore]:
    """Return the automations that the server keeps for a deployment's triggers."""
    automations = []
    for each in entry.get("triggers", []):
        trigger = TypeAdapter(DeploymentTriggerTypes).validate_python(each)
        trigger.set_deployment_id(deployment_id)
        automations.append(trigger.as_automation())
    return automations
