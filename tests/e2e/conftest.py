import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from deployments.processes import is_alive, marked_processes
from tests.company import write_company, write_questions
from tests.forked import forks
from tests.prefect_server import running_server

ROOT = Path(__file__).parents[2]
TOO_LONG_S = 600


class Ragloop:
    """Runs the real command in its own home.

    :param server: the Prefect server of what is called and waited for, which is awake meanwhile; without one, each
        command that runs a flow starts Prefect's temporary server.
    """

    def __init__(self, folder, server=None):
        self.folder = folder
        self.home = folder / "home"
        self.environment = {
            **os.environ,
            "RAGLOOP_HOME": str(self.home),
            "RAGLOOP_KEY_FILE": str(folder / "keys" / "keyring.json"),
            "RAGLOOP_PROFILE": "smoke",
        }
        self.environment.pop("PREFECT_API_URL", None)
        self.server = server

    def command(self, *arguments):
        return [sys.executable, "-m", "app.cli", *map(str, arguments)]

    def start(self, *arguments, **environment):
        """Start it in the background, in a session of its own, with its output in a file."""
        with (self.folder / "background.log").open("wb") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=ROOT,
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __call__(self, *arguments, **environment):
        """Run it and return what `subprocess.run` would: in a fork wherever that makes no difference."""
        with self.server.awake() if self.server else nullcontext({}) as way_there:
            environment = self.environment | way_there | environment
            if forks().can_run(environment):
                return forks().run("app.cli", [*map(str, arguments)], environment, TOO_LONG_S)
            return subprocess.run(
                self.command(*arguments),
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=TOO_LONG_S,
            )

    def ok(self, *arguments, **environment):
        """Run it and return what it printed; it must succeed."""
        done = self(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments, **environment):
        """Run it and return its one line of complaint; it must exit with 2."""
        done = self(*arguments, **environment)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        lines = [line for line in done.stderr.splitlines() if line.startswith("ragloop: ")]
        assert len(lines) == 1, done.stderr
        return lines[0]


class Up:
    """A running `ragloop up`, seen from outside."""

    READY_S = 600

    def __init__(self, ragloop, *arguments):
        self.ragloop = ragloop
        self.home = ragloop.home
        self.output = ragloop.folder / "up.log"
        started = time.monotonic()
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                ragloop.command("up", *arguments), cwd=ROOT, env=ragloop.environment, stdout=log, stderr=log
            )
        wait_until(lambda: "\nready\n" in self.said() or self.process.poll() is not None, self.READY_S)
        self.ready_after_s = time.monotonic() - started
        if "\nready\n" not in self.said():
            self.end()
            pytest.fail(self.said())

    def said(self):
        return self.output.read_text()

    @property
    def api_url(self):
        return json.loads((self.home / "up.json").read_text())["api_url"]

    def parts(self):
        """Return the processes of the server and the workers, by `server`, `cpu` and `gpu`."""
        found = marked_processes(self.home)
        return {each.part: each.process for each in reversed(found) if each.flow_run is None}

    def processes(self):
        """Return all that this `up` has started, itself and what watches over it included."""
        started = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        started += started[0].children(recursive=True) if started else []
        return {process.pid: process for process in started + [each.process for each in marked_processes(self.home)]}

    def stop(self, number=signal.SIGINT):
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=120)

    def end(self):
        """Leave nothing behind, whatever happened."""
        try:
            self.stop()
        finally:
            for process in [self.process, *(each.process for each in marked_processes(self.home))]:
                if process.pid != os.getpid() and psutil.pid_exists(process.pid):
                    process.kill()


def wait_until(done, seconds):
    """Wait until `done()` is true, for `seconds` at most, and return whether it is."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def all_ended(processes):
    return not any(is_alive(process) for process in processes)


@pytest.fixture(scope="module")
def up(tmp_path_factory):
    """`ragloop up` on a fresh home, for a whole module: `.api_url`, `.home`, `.ragloop`, `.parts()`, `.stop()`.

    Without the API and the page, which few tests look at.
    """
    started = Up(Ragloop(tmp_path_factory.mktemp("up")), "--no-page")
    yield started
    started.end()


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory):
    """One Prefect server for the commands of all tests that do not look at their own."""
    with running_server(tmp_path_factory.mktemp("prefect")) as server:
        yield server


@pytest.fixture
def ragloop(tmp_path, prefect_server):
    return Ragloop(tmp_path, prefect_server)


@pytest.fixture(scope="session")
def company(tmp_path_factory, prefect_server):
    """A home with documents and questions; tests may read it and add to it, but not break it."""
    ragloop = Ragloop(tmp_path_factory.mktemp("company"), prefect_server)
    documents = write_company(ragloop.folder / "documents")
    ragloop.ok("ingest", documents)
    ragloop.ok("pairs", "import", write_questions(ragloop.folder / "questions.jsonl"))
    return ragloop
