import os
import subprocess
import sys

import pytest
import yaml
from prefect.client.schemas.actions import WorkPoolCreate

from deployments import declaration
from deployments.bootstrap import bootstrap
from deployments.declaration import PREFECT_FILE, DeclarationMissing, declared_deployments
from deployments.drift import differences
from deployments.pools import UnknownPoolType

NAMES = {
    "ingest",
    "synthesize",
    "train-embedder",
    "train-chat",
    "compare-chat",
    "trial",
    "tune",
    "build-index",
    "evaluate",
    "monitor",
    "evaluate-answers",
    "retrain",
}


def everything(client, *, but=()):
    """What the server holds, as JSON; `but` names what Prefect makes anew with every deploy."""

    def strip(value):
        if isinstance(value, dict):
            return {name: strip(each) for name, each in value.items() if name not in but}
        return [strip(each) for each in value] if isinstance(value, list) else value

    kinds = ("deployments", "work_pools", "automations", "concurrency_limits")
    found = {kind: client.request("POST", f"/{kind}/filter", json={}).json() for kind in kinds}
    return strip({kind: sorted(values, key=lambda each: each["name"]) for kind, values in found.items()})


def deploy_all(folder):
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE)]
    without_git = os.environ | {"PATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=without_git, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_is_there_and_a_second_time_changes_nothing(client):
    before = everything(client)
    assert {each["name"] for each in before["deployments"]} == NAMES
    assert {each["name"]: each["concurrency_limit"] for each in before["work_pools"]} == {"cpu": None, "gpu": 1}
    assert len({each["name"] for each in before["automations"]}) == len(before["automations"]) == 5
    assert bootstrap() == []
    assert everything(client) == before
    assert differences() == []


def test_prefect_deploys_all_twice_without_git_and_changes_nothing(client, tmp_path):
    anew = ("id", "trigger_id", "created", "updated", "deployment_id")
    before = everything(client, but=anew)
    deploy_all(tmp_path)
    deploy_all(tmp_path)
    assert everything(client, but=anew) == before
    assert differences() == []
    assert list(tmp_path.iterdir()) == []


def test_a_pool_of_another_type_is_left_as_it_is_and_said(client):
    client.delete_work_pool("gpu")
    template = {"variables": {"properties": {"env": {"type": "object"}}}, "job_configuration": {"env": "{{ env }}"}}
    client.create_work_pool(WorkPoolCreate(name="gpu", type="kubernetes", base_job_template=template))
    lines = bootstrap()
    assert "pool gpu: no limit, should be limit 1; mended" in lines
    assert "pool gpu: left as it is, of type kubernetes and not process" in lines
    pool = client.read_work_pool("gpu")
    assert (pool.type, pool.base_job_template, pool.concurrency_limit) == ("kubernetes", template, 1)
    client.delete_work_pool("gpu")


def test_a_pool_type_that_nothing_brings_is_refused(client):
    client.delete_work_pool("cpu")
    with pytest.raises(UnknownPoolType, match="'spaceship'"):
        bootstrap("spaceship")


def test_without_the_declaration_the_remedy_is_said(client, monkeypatch, tmp_path):
    monkeypatch.setattr(declaration, "PREFECT_FILE", tmp_path / "prefect.yaml")
    with pytest.raises(DeclarationMissing, match="install ragloop from its source folder"):
        bootstrap()


def test_the_declaration_names_no_path_of_a_host_and_no_secret():
    text = PREFECT_FILE.read_text()
    declared = yaml.safe_load(text)
    assert declared["pull"] == []
    for entry in declared_deployments().values():
        assert ":" not in entry["entrypoint"] and "/" not in entry["entrypoint"]
        assert entry["enforce_parameter_schema"] is True
        assert not [name for name in entry["work_pool"]["job_variables"]["env"] if "RAGLOOP" in name or "KEY" in name]
    pools = {name: entry["work_pool"]["name"] for name, entry in declared_deployments().items()}
    assert {name for name, pool in pools.items() if pool == "gpu"} == {
        "train-embedder/train-embedder",
        "train-chat/train-chat",
        "compare-chat/compare-chat",
        "trial/trial",
        "build-index/build-index",
        "evaluate-answers/evaluate-answers",
    }
