"""A real Prefect server for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx

from deployments.environment import server_environment


class Server:
    """The Prefect server of `ragloop up` with a home of its own, that can be stopped and started again."""

    def __init__(self, folder):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/api"
        self.log = folder / "server.log"
        self.environment = {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_PROFILES_PATH": str(folder / "prefect" / "profiles.toml"),
            "PREFECT_API_URL": self.url,
        }
        self.process = None

    def start(self):
        descriptor = self.listener.fileno()
        environment = server_environment(os.environ | self.environment, "127.0.0.1", self.port, None)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deployments.embedded", str(descriptor)],
                env=environment,
                stdout=log,
                stderr=log,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        wait_until(self._answers, 120)

    @contextmanager
    def awake(self):
        """Let it run meanwhile, and halt it then: waiting takes it 6 % of a core. Yield what leads to it."""
        self.process.send_signal(signal.SIGCONT)
        try:
            yield self.environment
        finally:
            self.process.send_signal(signal.SIGSTOP)

    def stop(self):
        self.process.terminate()
        self.process.send_signal(signal.SIGCONT)
        self.process.wait(60)

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/health", timeout=5).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running_server(folder):
    """Start a server, and stop it then."""
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def wait_until(condition, timeout_s=60):
    """Return what the condition gives once it is true."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {timeout_s} s in vain"
        time.sleep(1)
    return found
