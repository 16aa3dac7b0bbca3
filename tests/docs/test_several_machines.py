"""The page on several machines and its templates name what is really there, and hold no secret."""

import json
import re
from pathlib import Path

import pytest
import yaml

from rag.profiles import Profile
from rag.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "several-machines.md"
TEMPLATES = sorted((ROOT / "docs" / "several-machines").iterdir())
SECRETS = ("PASSWORD", "SECRET", "KEYRING", "ACCESS_KEY", "DATABASE_URL", "AUTH")


def read(name):
    return (ROOT / "docs" / "several-machines" / name).read_text()


@pytest.fixture(scope="module")
def pools():
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    return {deployment["work_pool"]["name"] for deployment in declared["deployments"]}


@pytest.fixture(scope="module")
def job():
    return json.loads(read("gpu-job.json"))


@pytest.fixture(scope="module")
def container(job):
    [container] = job["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"]
    return container


def test_each_pool_has_a_worker_in_the_compose_file(pools):
    services = yaml.safe_load(read("compose.yaml"))["services"]
    commands = [service.get("command", "") for service in services.values()]
    assert {command.rpartition(" ")[2] for command in commands if "worker start" in command} == pools


def test_kubernetes_worker_serves_the_gpu_pool(pools):
    manifests = list(yaml.safe_load_all(read("gpu-worker.yaml")))
    [deployment] = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    command = deployment["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[command.index("--pool") + 1] == "gpu" and "gpu" in pools


def test_job_has_one_card_time_for_a_checkpoint_and_the_volume_of_the_worker_file(job, container):
    pod = job["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod["terminationGracePeriodSeconds"] >= 60
    claims = [m["metadata"]["name"] for m in yaml.safe_load_all(read("gpu-worker.yaml")) if "Claim" in m["kind"]]
    assert [job["variables"]["properties"]["cache_claim"]["default"]] == claims


def test_every_placeholder_of_the_job_is_a_variable_and_the_other_way_round(job):
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(job["job_configuration"])))
    assert used == set(job["variables"]["properties"])


def test_job_takes_what_a_worker_must_hand_over(job, container):
    assert {"command", "env", "labels", "name"} <= set(job["job_configuration"])
    assert container["args"] == "{{ command }}"


def test_profiles_of_the_job_exist(job):
    assert set(job["variables"]["properties"]["profile"]["enum"]) <= {profile.value for profile in Profile}


def test_secrets_of_the_job_are_references_to_what_the_page_makes(container):
    secrets = [entry for entry in container["env"] if any(word in entry["name"] for word in SECRETS)]
    assert len(secrets) == 4
    made = set(re.findall(r"--from-(?:literal|file)=([\w-]+)=", PAGE.read_text()))
    assert {entry["valueFrom"]["secretKeyRef"]["key"] for entry in secrets} == made


def test_secrets_of_the_compose_file_come_from_outside():
    composed = yaml.safe_load(read("compose.yaml"))
    settings = [s.get("environment", {}) for s in composed["services"].values()] + [composed["x-environment"]]
    secrets = [value for each in settings for name, value in each.items() if any(word in name for word in SECRETS)]
    assert len(secrets) > 4
    assert all("${" in value for value in secrets)


@pytest.mark.parametrize("path", [PAGE, *TEMPLATES], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path):
    known = {f"RAGLOOP_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bRAGLOOP_[A-Z_]+\b", path.read_text()))
    assert named - known <= {"RAGLOOP_DATABASE_PASSWORD"}  # a part of the URL


def test_page_shows_every_template():
    assert all(f"several-machines/{path.name}" in PAGE.read_text() for path in TEMPLATES)
