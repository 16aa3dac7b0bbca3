"""`ragloop up` as a user starts, looks at, and stops it; and what becomes of it when parts of it are killed."""

import json
import signal

import httpx
import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate

from deployments.processes import marked_processes
from tests.e2e.conftest import Ragloop, Up, all_ended, wait_until

SOON_S = 300
DEPLOYMENTS = {
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


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """Everything, the API and the page along with it."""
    started = Up(Ragloop(tmp_path_factory.mktemp("up")))
    yield started
    started.end()


def fronts(up):
    """Return the addresses of the API and of the page."""
    address = json.loads((up.home / "up.json").read_text())
    return address["ask_url"], address["page_url"]


def answers(up):
    try:
        return httpx.get(f"{up.api_url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def workers(up):
    """Return the workers that report, and when each did last."""
    status = json.loads(up.ragloop.ok("status", "--json"))
    return {row["worker"]: row["last_seen"] for row in status["tables"]["workers"] if row["status"] == "online"}


def test_it_says_where_it_is_and_then_that_it_is_ready(up):
    lines = up.said().splitlines()
    address = up.api_url.removesuffix("/api")
    ask, page = fronts(up)
    assert lines[-5:] == [f"server {address}/api", f"ui     {address}", f"api    {ask}", f"page   {page}", "ready"]
    assert answers(up)
    assert httpx.get(f"{ask}/healthz", timeout=60).json()["status"] == "ok"
    assert "<title>" in httpx.get(page, timeout=60).text
    assert "<title>" in httpx.get(address, follow_redirects=True, timeout=60).text


def test_the_address_and_the_logs_are_for_the_owner_alone(up):
    files = [up.home / "up.json", *(up.home / "logs").iterdir()]
    assert {"server.log", "cpu.log", "gpu.log", "api.log", "page.log", "up.log"} <= {path.name for path in files}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_everything_is_deployed_and_the_server_is_as_declared(up):
    found = httpx.post(f"{up.api_url}/deployments/filter", json={}, timeout=60).json()
    assert {each["name"] for each in found} == DEPLOYMENTS
    assert "as declared" in up.ragloop.ok("deploy", "--check")


def test_status_shows_what_runs(up):
    status = json.loads(up.ragloop.ok("status", "--json"))
    assert status["server"].startswith(up.api_url)
    assert (status["api"], status["page"]) == fronts(up)
    assert {row["pool"]: row["limit"] for row in status["tables"]["pools"]} == {"cpu": None, "gpu": 1}
    assert {row["pool"] for row in status["tables"]["workers"]} == {"cpu", "gpu"}
    assert len(status["tables"]["last runs"]) == len(DEPLOYMENTS)
    assert status["hints"] == []


def test_a_difference_to_what_is_declared_is_shown_and_mended(up):
    with SyncPrefectClient(up.api_url) as client:
        client.update_work_pool("gpu", WorkPoolUpdate(concurrency_limit=3))
    checked = up.ragloop("deploy", "--check")
    assert checked.returncode == 1
    assert "pool gpu" in checked.stdout
    assert any("pool gpu" in hint for hint in json.loads(up.ragloop.ok("status", "--json"))["hints"])
    assert "pool gpu" in up.ragloop.ok("deploy")
    assert up.ragloop("deploy", "--check").returncode == 0


def test_a_second_one_on_the_same_home_is_told_where_the_first_runs(up):
    line = up.ragloop.refused("up")
    assert up.api_url.removesuffix("/api") in line
    assert str(up.process.pid) in line


def test_a_port_that_is_taken_is_refused_and_nothing_is_left(up, ragloop):
    port = up.api_url.split(":")[-1].removesuffix("/api")
    assert port in ragloop.refused("up", "--port", port)
    assert not (ragloop.home / "up.json").exists()
    assert not marked_processes(ragloop.home)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--host", "192.0.2.1"), "192.0.2.1"),
        (("--database-url", "mysql://db/prefect"), "postgresql+asyncpg"),
    ],
)
def test_what_the_server_cannot_use_is_refused(ragloop, arguments, word):
    assert word in ragloop.refused("up", *arguments)


def test_a_run_through_the_server_needs_documents_and_says_so(up):
    told = up.ragloop("retrain", "--remote", "--follow")
    assert told.returncode == 1
    assert "see  " in told.stdout
    assert "Failed" in told.stdout


def test_a_wrong_parameter_is_refused_by_its_name(up):
    line = up.ragloop.refused("retrain", "--remote", "--collection", "a/b")
    assert "collection" in line


def test_a_killed_server_comes_back_where_it_was_and_nobody_is_refused_meanwhile(up):
    old = up.parts()["server"]
    old.kill()
    assert httpx.get(f"{up.api_url}/health", timeout=SOON_S).is_success
    assert up.parts()["server"] != old
    assert "Prefect server ended (signal 9)" in up.said()


def test_a_killed_worker_comes_back(up):
    before = workers(up)
    old = up.parts()["gpu"]
    old.kill()
    assert wait_until(lambda: up.parts().get("gpu", old) != old, SOON_S)
    assert wait_until(lambda: all(seen > before.get(name, "") for name, seen in workers(up).items()), SOON_S)
    assert len(workers(up)) == 2
    assert "gpu worker ended (signal 9)" in up.said()


def is_served(url):
    try:
        return httpx.get(url, timeout=30).status_code < 500
    except httpx.HTTPError:
        return False


def test_a_killed_page_and_a_killed_api_come_back_where_they_were(up):
    before = {name: up.parts()[name] for name in ("api", "page")}
    for process in before.values():
        process.kill()
    for url in fronts(up):
        assert wait_until(lambda url=url: is_served(url), SOON_S)
    assert all(up.parts()[name] != process for name, process in before.items())
    assert "the page ended (signal 9)" in up.said()
    assert "the HTTP API ended (signal 9)" in up.said()


def test_the_page_knows_no_secret_of_the_home(up):
    environment = up.parts()["page"].environ()
    assert {name for name in environment if name.startswith(("RAGLOOP_", "PREFECT_"))} == {
        "RAGLOOP_UP",
        "RAGLOOP_PART",
        "RAGLOOP_PAGE_API",
        "RAGLOOP_PAGE_PREFECT",
    }


def test_ctrl_c_leaves_no_process_and_says_no_address(up):
    processes = list(up.processes().values())
    assert len(processes) >= 5
    assert up.stop(signal.SIGINT) == 0
    assert all_ended(processes)
    assert not up.processes()
    assert not (up.home / "up.json").exists()


def test_without_a_server_status_still_tells_of_the_home(up):
    status = json.loads(up.ragloop.ok("status", "--json"))
    assert "ragloop up" in status["server"]
    assert set(status["tables"]) == {"production", "feedback"}


def test_without_a_server_a_remote_run_says_what_to_start(up):
    line = up.ragloop.refused("retrain", "--remote")
    assert "ragloop up" in line
    assert "PREFECT_API_URL" in line


def test_one_that_is_killed_takes_everything_with_it(up):
    """Again on the same home: what an earlier one has left does not matter."""
    again = Up(up.ragloop)
    try:
        processes = list(again.processes().values())
        assert len(processes) >= 5
        psutil.Process(again.process.pid).kill()
        again.process.wait()
        assert wait_until(lambda: all_ended(processes), SOON_S)
        assert wait_until(lambda: not (up.home / "up.json").exists(), SOON_S)
    finally:
        again.end()
