"""What people touch beside Prefect's UI: the HTTP API, and the page that talks to it alone."""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from deployments.processes import API, PAGE
from deployments.supervisor import Part


def api_part(listener: socket.socket, host: str, environment: Mapping[str, str], logs: Path, url: str) -> Part:
    """Return the HTTP API on a socket that listens already; `url` is where it is reached."""
    return _front(API, "serve", listener, host, environment, logs, f"{url}/healthz")


def page_part(listener: socket.socket, host: str, environment: Mapping[str, str], logs: Path, url: str) -> Part:
    """Return the page on a socket that listens already; `url` is where it is reached."""
    return _front(PAGE, "page", listener, host, environment, logs, f"{url}/_stcore/health")


def _front(
    name: str,
    command: str,
    listener: socket.socket,
    host: str,
    environment: Mapping[str, str],
    logs: Path,
    health: str,
) -> Part:
    descriptor = listener.fileno()
    words = [sys.executable, "-m", "app.cli", command, "--host", host, "--fd", str(descriptor)]
    return Part(name, words, environment, logs / f"{name}.log", (descriptor,), health)
