"""The page on several machines and its templates name what is really there, and hold no secret."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from app.cli import app
from rag.profiles import Profile
from rag.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "several-machines.md"
TEMPLATES = sorted((ROOT / "docs" / "several-machines").iterdir())
SECRETS = ("PASSWORD", "SECRET", "KEYRING", "ACCESS_KEY", "API_KEY", "DATABASE_URL", "AUTH")
COMMANDS = typer.main.get_command(app).commands


def read(name):
    return (ROOT / "docs" / "several-machines" / name).read_text()


def in_image(path):
    """Tell whether a build's context holds a file: the last line of .dockerignore on it or a folder of its decides."""
    held = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if not line.startswith("#") and re.fullmatch(f"{pattern}(/.*)?", path):
            held = line.startswith("!")
    return held


def test_image_holds_all_that_the_packages_and_their_installation_need():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = [name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    assert len(sources) > 100
    needed = ["pyproject.toml", "constraints.txt", "prefect.yaml", project["project"]["readme"]]
    needed += [str(path.relative_to(ROOT)) for path in sources]
    assert [path for path in needed if not in_image(path)] == []


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".ragloop-demo/ragloop.db",
        ".venv/bin/python",
        "app/.env",
        "app/__pycache__/access.pyc",
        "docs/several-machines/.env",
        "docs/several-machines/documents/salaries.pdf",
        "key",
        "keyring.json",
        "rag/keyring.json",
    ],
)
def test_image_holds_no_secret_and_nothing_of_this_checkout_alone(path):
    assert not in_image(path)


def test_git_leaves_out_the_files_that_the_pages_have_secrets_written_to():
    assert {".env", "key", "keyring.json"} <= set((ROOT / ".gitignore").read_text().splitlines())


@pytest.mark.parametrize("path", [ROOT / "README.md", PAGE], ids=lambda path: path.name)
def test_secrets_are_written_to_files_that_are_their_owners_alone_from_the_first(path):
    writing = [line for line in path.read_text().splitlines() if re.search(r"> ?key(ring\.json)?\b", line)]
    assert writing
    assert all(line.startswith("(umask 077; ") for line in writing)


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


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(read("compose.yaml"))["services"]


def test_each_pool_has_a_worker_in_the_compose_file(pools, services):
    commands = [service.get("command", "") for service in services.values()]
    assert {command.rpartition(" ")[2] for command in commands if "worker start" in command} == pools


def test_all_that_the_env_file_says_reaches_each_part_that_opens_the_home_and_no_other(services):
    opening = {name for name, service in services.items() if "RAGLOOP_KEYRING" in service.get("environment", {})}
    assert opening == {"deploy", "cpu", "gpu", "sweep", "api"}
    assert {name for name, service in services.items() if service.get("env_file") == ".env"} == opening


def test_page_of_the_compose_file_asks_its_api_and_only_the_host_reaches_either(services):
    served = {}
    for name in ("api", "page"):
        program, command, *options = services[name]["command"].split()
        given = COMMANDS[command].make_context(command, options).params
        assert (program, given["host"]) == ("ragloop", "0.0.0.0")
        assert services[name]["ports"] == [f"127.0.0.1:{given['port']}:{given['port']}"]
        served[name] = f"http://{name}:{given['port']}"
    assert services["page"]["environment"]["RAGLOOP_PAGE_API"] == served["api"]


def test_config_file_that_the_env_file_names_is_there_for_each_part_that_the_file_reaches(services):
    assert "`RAGLOOP_CONFIG=/config/ragloop.toml`" in PAGE.read_text()
    mounted = {name for name, service in services.items() if "./config:/config:ro" in service.get("volumes", ())}
    assert mounted == {name for name, service in services.items() if "env_file" in service}


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
    assert len(secrets) == 6
    made = set(re.findall(r"--from-(?:literal|file)=([\w-]+)=", PAGE.read_text()))
    assert {entry["valueFrom"]["secretKeyRef"]["key"] for entry in secrets} == made


def test_jobs_have_the_settings_and_the_config_file_of_the_config_maps_that_the_page_makes(job, container):
    pod = job["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    [volume] = [volume for volume in pod["volumes"] if "configMap" in volume]
    maps = [volume["configMap"], *(source["configMapRef"] for source in container["envFrom"])]
    assert {each["name"] for each in maps} == set(re.findall(r"create configmap ([\w-]+)", PAGE.read_text()))
    assert all(each["optional"] for each in maps), "a job starts without them, too"
    [folder] = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == volume["name"]]
    assert f"RAGLOOP_CONFIG={folder}/ragloop.toml\n" in PAGE.read_text()


def test_secrets_of_the_compose_file_come_from_outside(services):
    settings = [service.get("environment", {}) for service in services.values()]
    secrets = [value for each in settings for name, value in each.items() if any(word in name for word in SECRETS)]
    assert len(secrets) > 4
    assert all("${" in value for value in secrets)


@pytest.mark.parametrize("path", [PAGE, *TEMPLATES], ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path):
    known = {f"RAGLOOP_{name.upper()}" for name in Settings.model_fields}
    known |= {option.envvar for option in COMMANDS["page"].params}
    named = set(re.findall(r"\bRAGLOOP_[A-Z_]+\b", path.read_text()))
    assert named - known <= {"RAGLOOP_DATABASE_PASSWORD"}  # a part of the URL


def test_page_shows_every_template():
    assert all(f"several-machines/{path.name}" in PAGE.read_text() for path in TEMPLATES)
