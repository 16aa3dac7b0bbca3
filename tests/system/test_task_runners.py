"""Batches on threads, on a Dask cluster and on Ray: the same results, errors and logs."""

import json
import logging
import os
import signal
import time
from pathlib import Path

import pytest
from prefect import flow, get_client, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, LogFilter, LogFilterFlowRunId
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from flows.fan_out import fan_out
from rag.errors import ConfigError
from rag.settings import TaskRunnerKind
from tests.system.servers import ROOT, dask_cluster, free_port, ray_head

pytestmark = pytest.mark.system

DASK, RAY, THREADS = TaskRunnerKind.DASK, TaskRunnerKind.RAY, TaskRunnerKind.THREADS
LOGGING = {"PREFECT_LOGGING_EXTRA_LOGGERS": "rag"}


@pytest.fixture(scope="module", autouse=True)
def prefect():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (LOGGING | {"PYTHONPATH": str(ROOT)}).items():
            patch.setenv(name, value)
        with prefect_test_harness(server_startup_timeout=120):
            yield


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """A scheduler with two workers, whose address it is."""
    with dask_cluster(tmp_path_factory.mktemp("dask"), [LOGGING, LOGGING]) as address:
        yield address


@pytest.fixture(params=["threads", "dask-here", "dask-elsewhere", "ray-here"])
def cluster(request):
    """A task runner and its address."""
    kind, _, place = request.param.partition("-")
    return TaskRunnerKind(kind), request.getfixturevalue("dask") if place == "elsewhere" else None


@task(cache_policy=NO_CACHE)
def square(number: int, wait_s: float = 0) -> dict[str, int]:
    get_run_logger().info("squaring %d", number)
    logging.getLogger("rag.squares").warning("the library squares %d", number)
    time.sleep(wait_s)
    if number < 0:
        raise ValueError(f"{number} is negative")
    return {"square": number * number, "process": os.getpid()}


@task(cache_policy=NO_CACHE)
def parse(name: str, content: bytes) -> str:
    from rag.corpus.parsing import extract_all

    [(_, outcome)] = extract_all([(name, content)])
    return outcome.text


@flow
def squares(numbers: list[int], kind: TaskRunnerKind, address: str | None, wait_s: float = 0) -> list[dict[str, int]]:
    return fan_out(square, [{"number": n, "wait_s": wait_s} for n in numbers], kind, address)


@flow
def parses(kind: TaskRunnerKind, address: str | None) -> list[str]:
    page = b"<html><body><p>The lung stands outside.</p></body></html>"
    return fan_out(parse, [{"name": "a.html", "content": page}] * 2, kind, address)


def task_states(state):
    with get_client(sync_client=True) as client:
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
        return sorted(run.state_name for run in client.read_task_runs(flow_run_filter=of_run))


def log_of(state):
    with get_client(sync_client=True) as client:
        of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        return [line.message for line in client.read_logs(of_run)]


def eventually(found, wanted):
    """Wait for what reaches Prefect's server a little later."""
    end = time.monotonic() + 60
    while (last := found()) != wanted and time.monotonic() < end:
        time.sleep(0.2)
    assert last == wanted


def test_results_come_in_order_and_each_batch_is_a_task_run_with_its_log(cluster):
    state = squares([1, 2, 3, 4], *cluster, return_state=True)
    results = state.result()
    assert [result["square"] for result in results] == [1, 4, 9, 16]
    assert ({result["process"] for result in results} == {os.getpid()}) == (cluster[0] is THREADS)
    eventually(lambda: task_states(state), ["Completed"] * 4)
    lines = {f"{who} {n}" for who in ("squaring", "the library squares") for n in (1, 2, 3, 4)}
    if cluster[0] is THREADS:
        lines = {f"squaring {n}" for n in (1, 2, 3, 4)}  # this process's logging was set up before this module's switch
    eventually(lambda: lines & set(log_of(state)), lines)


def test_failed_batch_raises_its_error_when_the_others_are_done(cluster):
    state = squares([1, -2, 3, 4], *cluster, return_state=True)
    assert state.is_failed()
    with pytest.raises(ValueError, match="-2 is negative"):
        state.result()
    eventually(lambda: task_states(state), ["Completed"] * 3 + ["Failed"])
    assert [result["square"] for result in squares([5], *cluster)] == [25]


def test_batches_may_start_parsers(cluster):
    assert parses(*cluster) == ["The lung stands outside."] * 2


def test_nothing_to_do_starts_no_cluster():
    @flow
    def nothing():
        return fan_out(square, [], DASK, f"127.0.0.1:{free_port()}")

    assert nothing() == []


def test_two_dask_workers_share_the_batches(dask):
    results = squares([1, 2, 3, 4], DASK, dask, wait_s=1)
    assert len({result["process"] for result in results}) == 2


def test_nothing_is_pickled_to_a_file(cluster, tmp_path):
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: tmp_path}):
        squares([1, 2], *cluster)
        assert list(tmp_path.iterdir()) == []
        squares([-1], *cluster, return_state=True)
    [path] = tmp_path.iterdir()  # why the flow failed
    assert json.loads(path.read_text())["message"] == "-1 is negative"


def test_cancelling_still_reaches_the_flow_while_ray_runs():
    @flow
    def asks():
        before = signal.getsignal(signal.SIGTERM)
        fan_out(square, [{"number": 1}], RAY)
        return before is signal.getsignal(signal.SIGTERM)

    assert asks()


@pytest.mark.parametrize("kind", [DASK, RAY])
def test_cluster_that_is_not_there_is_one_line_at_once(kind):
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConfigError, match=f"the {kind} cluster at {address} does not answer .*: start it, ") as told:
        squares([1], kind, address)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", [DASK, RAY])
def test_address_of_another_kind_of_server_is_one_line(kind, s3):
    address = s3["AWS_ENDPOINT_URL"].removeprefix("http://")
    with pytest.raises(ConfigError, match=f"the {kind} cluster at {address} does not answer"):
        squares([1], kind, address)


def test_dask_cluster_without_workers_is_one_line(tmp_path):
    @flow
    def impatient(address):
        return fan_out(square, [{"number": 1}], DASK, address, workers_timeout_s=2)

    with dask_cluster(tmp_path, []) as address, pytest.raises(ConfigError, match="has no worker"):
        impatient(address)


def test_dask_worker_that_is_killed_has_its_batch_done_by_another(tmp_path):
    @task(cache_policy=NO_CACHE)
    def kill_first(mark: str) -> str:
        if not Path(mark).exists():
            Path(mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    @flow
    def survives(address):
        return fan_out(kill_first, [{"mark": str(tmp_path / "killed")}], DASK, address)

    with dask_cluster(tmp_path, [{}, {}]) as address:
        assert survives(address) == ["done"]


def test_ray_cluster_elsewhere_takes_its_batches(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", os.environ.get("RAY_AUTH_TOKEN", "0123456789abcdef" * 4))
    with ray_head(LOGGING) as address:
        results = squares([1, 2, 3], RAY, address)
    assert [result["square"] for result in results] == [1, 4, 9]
    assert os.getpid() not in {result["process"] for result in results}
