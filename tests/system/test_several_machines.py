"""The whole loop spread over hosts that share nothing but servers, and on one: the same artifacts, the same answers."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.ingest import BATCH_FILES
from storage.sealing import Keyring
from tests.company import write_company, write_questions
from tests.system.servers import ROOT, dask_cluster, prefect_server, running

pytestmark = pytest.mark.system

TIMEOUT_S = 900


class Host:
    """A machine of its own, as far as one machine can show: a home, a cache, a copy of the key, a temporary folder."""

    def __init__(self, folder: Path, key: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        for name in ("home", "tmp"):
            (folder / name).mkdir(parents=True)
        shutil.copy(key, folder / "keyring.json")
        self.variables = {
            "RAGLOOP_HOME": str(folder / "home"),
            "RAGLOOP_KEY_FILE": str(folder / "keyring.json"),
            "RAGLOOP_DEVICE_LOCK": str(folder / "device.lock"),
            "PREFECT_HOME": str(folder / "home" / "prefect"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            **variables,
        }

    def run(self, *command: str) -> str:
        """Run a module to its end, in a folder of this host; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=os.environ | self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == 0, (
            f"{command} exited {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        )
        return done.stdout

    def ragloop(self, *arguments: str) -> str:
        return self.run("app.cli", *arguments)

    @contextmanager
    def worker(self, pool: str):
        with running("worker", ["prefect", "worker", "start", "--pool", pool], self.folder, self.variables) as log:
            yield log


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "keyring.json"
    path.write_text(Keyring.generate().to_json())
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """The folder of documents, enough for two batches, and the file of questions."""
    folder = tmp_path_factory.mktemp("company")
    documents = write_company(folder / "documents")
    for number in range(BATCH_FILES):
        (documents / f"bill-{number:02}.txt").write_text(
            f"Bill {number}: paid {number * 37 % 101} crowns for carriage."
        )
    return documents, write_questions(folder / "questions.jsonl")


def seen_by(host, company):
    return json.loads(host.run("tests.system.witness", str(company[1])))


@pytest.fixture(scope="module")
def alone(tmp_path_factory, key, company):
    """What one machine makes of it, on SQLite, its own disk and threads."""
    host = Host(tmp_path_factory.mktemp("alone"), key, {})
    host.ragloop("ingest", str(company[0]), "--profile", "smoke")
    host.ragloop("pairs", "import", str(company[1]))
    host.ragloop("retrain", "--profile", "smoke")
    return seen_by(host, company)


def new_database(cluster):
    name = f"loop_{os.urandom(4).hex()}"
    cluster.execute(f"CREATE DATABASE {name}")
    return cluster.url(name)


def shared_variables(cluster, bucket):
    """What all hosts are told: where the rows and the artifacts are."""
    return {"RAGLOOP_DATABASE_URL": new_database(cluster), "RAGLOOP_ARTIFACT_ROOT": f"{bucket}/ragloop"}


def test_hosts_that_share_only_servers_make_the_same_artifacts_and_answers(
    alone, tmp_path, key, company, cluster, bucket
):
    documents, questions = company
    orchestration = new_database(cluster).replace("postgresql://postgres@/", "postgresql+asyncpg://postgres@/")
    shared = shared_variables(cluster, bucket)
    with prefect_server(tmp_path, {"PREFECT_SERVER_DATABASE_CONNECTION_URL": orchestration}) as api_url:
        shared["PREFECT_API_URL"] = api_url
        hosts = {
            name: Host(tmp_path / name, key, shared) for name in ("desk", "dask-1", "dask-2", "cpu", "gpu", "reader")
        }
        desk = hosts["desk"]
        desk.ragloop("deploy")
        with dask_cluster(tmp_path, [hosts["dask-1"].variables, hosts["dask-2"].variables]) as scheduler:
            desk.variables |= {"RAGLOOP_TASK_RUNNER": "dask", "RAGLOOP_TASK_RUNNER_ADDRESS": scheduler}
            desk.ragloop("ingest", str(documents), "--profile", "smoke")
        assert all((hosts[name].folder / "home" / "cache" / "document").is_dir() for name in ("dask-1", "dask-2"))
        desk.ragloop("pairs", "import", str(questions))
        with hosts["cpu"].worker("cpu"), hosts["gpu"].worker("gpu") as log:
            desk.ragloop("retrain", "--profile", "smoke", "--remote", "--follow")
            assert "train-embedder" in log.read_text()
        seen = seen_by(hosts["reader"], company)
    assert seen == alone
    assert len(seen["top10"]) == 48 and {len(chunks) for chunks in seen["top10"].values()} == {10}
    folders = [path.name for path in (hosts["desk"].folder / "home").iterdir()]
    assert "artifacts" not in folders and "ragloop.db" not in folders


def test_ingest_through_ray_makes_the_same_documents_and_corpus(alone, tmp_path, key, company, cluster, bucket):
    host = Host(tmp_path / "ray", key, shared_variables(cluster, bucket) | {"RAGLOOP_TASK_RUNNER": "ray"})
    host.variables["TMPDIR"] = "/tmp"  # short: a socket's path has 107 bytes at most
    host.ragloop("ingest", str(company[0]), "--profile", "smoke")
    seen = seen_by(host, company)
    assert seen["documents"] == alone["documents"]
    assert seen["corpus"] == alone["corpus"]
