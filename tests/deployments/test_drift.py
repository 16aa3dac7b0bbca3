from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.actions import ChangeFlowRunState, PauseDeployment

from deployments.automations import NIGHTLY_MISSING
from deployments.bootstrap import bootstrap
from deployments.drift import differences


def patch(client, deployment_id, **fields):
    client.request("PATCH", "/deployments/{id}", path_params={"id": deployment_id}, json=fields)


def change(client, automation, **fields):
    written = automation.model_copy(update=fields).model_dump(mode="json", exclude={"id", "owner_resource"})
    client.request("PUT", "/automations/{id}", path_params={"id": automation.id}, json=written)


def test_what_was_changed_on_the_server_is_named_and_mended(client):
    retrain = client.read_deployment_by_name("retrain/retrain")
    [nightly] = retrain.schedules
    schedule = {"id": retrain.id, "schedule_id": nightly.id}
    paused = {"active": False, "parameters": nightly.parameters}
    client.request("PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=schedule, json=paused)
    patch(client, retrain.id, parameters={"collection": "other"}, concurrency_limit=3)
    ingest = client.read_deployment_by_name("ingest/ingest")
    patch(client, ingest.id, enforce_parameter_schema=False, work_pool_name="gpu", entrypoint="flows.ingest.other")
    evaluate = client.read_deployment_by_name("evaluate/evaluate")
    patch(client, evaluate.id, parameter_openapi_schema={"type": "object", "properties": {}}, paused=True)
    client.update_work_pool("gpu", WorkPoolUpdate(concurrency_limit=3))
    client.update_work_pool("cpu", WorkPoolUpdate(is_paused=True))
    [silent] = client.read_automations_by_name("ragloop: crash silent runs")
    client.pause_automation(silent.id)
    [wake_up] = client.read_automations_by_name("ragloop: retrain on feedback")
    client.delete_automation(wake_up.id)

    found = differences()
    named = (
        "deployment retrain/retrain: schedule nightly, active is false, should be true",
        'deployment retrain/retrain: parameters is {"collection": "other"}, should be {}',
        "deployment retrain/retrain: concurrency limit is 3, should be 1",
        "deployment ingest/ingest: parameters are checked is false, should be true",
        'deployment ingest/ingest: work pool is "gpu", should be "cpu"',
        'deployment ingest/ingest: entry point is "flows.ingest.other"',
        "deployment evaluate/evaluate: parameter schema is",
        "deployment evaluate/evaluate: paused is true, should be false",
        "pool gpu: limit 3, should be limit 1",
        "pool cpu: paused",
        "automation 'ragloop: crash silent runs': enabled",
        "automation 'ragloop: retrain on feedback': missing",
    )
    assert [start for start in named if not any(line.startswith(start) for line in found)] == []
    assert [line for line in found if not line.startswith(named)] == []
    assert len(found) == len(named)

    assert len(bootstrap()) == len(named)
    assert differences() == []
    assert bootstrap() == []
    [mended] = client.read_automations_by_name("ragloop: crash silent runs")
    assert mended.id == silent.id


def test_what_is_missing_is_named_and_made(client):
    client.delete_deployment(client.read_deployment_by_name("synthesize/synthesize").id)
    client.delete_deployment(client.read_deployment_by_name("retrain/retrain").id)
    client.delete_work_pool("gpu")
    found = differences()
    assert "deployment synthesize/synthesize: missing" in found
    assert "deployment retrain/retrain: missing" in found
    assert "pool gpu: missing" in found
    assert "automation 'ragloop: retrain on feedback': another of that name removed" in bootstrap()
    assert differences() == []
    assert bootstrap() == []


def test_a_schedule_that_is_not_declared_is_named_and_removed(client):
    retrain = client.read_deployment_by_name("retrain/retrain")
    weekly = {"slug": "weekly", "schedule": CronSchedule(cron="0 3 * * 0").model_dump(mode="json"), "active": True}
    client.request("POST", "/deployments/{id}/schedules", path_params={"id": retrain.id}, json=[weekly])
    assert 'deployment retrain/retrain: schedule weekly, cron is "0 3 * * 0", should be missing' in differences()
    bootstrap()
    assert differences() == []


def test_an_action_that_a_person_added_is_kept_and_a_changed_one_is_mended(client):
    [missing] = client.read_automations_by_name(NIGHTLY_MISSING)
    retrain = client.read_deployment_by_name("retrain/retrain")
    added = PauseDeployment(source="selected", deployment_id=retrain.id)
    change(client, missing, actions=[*missing.actions, added])
    assert differences() == []

    name = "ragloop: crash silent runs"
    [silent] = client.read_automations_by_name(name)
    other = ChangeFlowRunState(state=StateType.COMPLETED)
    change(client, silent, actions=[other], description="changed")
    assert differences() == [f"automation {name!r}: description, actions not as declared"]
    bootstrap()
    assert differences() == []
    assert len(client.read_automations_by_name(name)[0].actions) == 1
    assert len(client.read_automations_by_name(NIGHTLY_MISSING)[0].actions) == 2


def test_a_new_default_of_a_deployment_is_seen(client):
    found = client.read_deployment_by_name("train-embedder/train-embedder")
    client.update_deployment(found.id, DeploymentUpdate(description="something else"))
    [line] = differences()
    assert line.startswith('deployment train-embedder/train-embedder: description is "something else"')
