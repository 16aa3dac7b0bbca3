"""What Prefect sees here, and the parts of `ragloop up`: `.env`, settings made absolute, a state inside the home."""

import os
import socket
from pathlib import Path

from dotenv import dotenv_values

from deployments.processes import API, MARK, PAGE, PART, SERVER
from rag.settings import Settings

_NOT_OURS = ("PREFECT_PROFILE", "PREFECT_PROFILES_PATH", "PREFECT_API_KEY", "PREFECT_API_URL")
"""They choose another server; `ragloop up` is its own."""
_DATABASE = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
_PAGE_KEY = "RAGLOOP_PAGE_KEY_FILE"

_SWITCHES = {
    # A server that is away for a minute crashes no run: the client waits 2, 4, 8, 16, 32 and 64 s between its tries.
    "PREFECT_CLIENT_MAX_RETRIES": "6",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "rag,storage",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PYTHONUNBUFFERED": "1",
}


def settle_environment() -> None:
    """Let this process and its children go by what `.env` says to Prefect, and ask this machine past every proxy.

    Prefect reads `.env` too; what it finds there, we have to find as well. To be called before it is imported.
    """
    written = {name: value for name, value in _dot_env().items() if name.startswith("PREFECT_")}
    os.environ.update(_past_proxies(written | os.environ))


def base_environment(settings: Settings, home: Path, api_url: str) -> dict[str, str]:
    """Return the environment that all parts share.

    Flows run in a folder of their own, so every path is absolute and what `.env` says is exported.
    """
    environment = _written() | {name: value for name, value in os.environ.items() if name not in _NOT_OURS + _DATABASE}
    return (
        _SWITCHES
        | _past_proxies(environment)
        | _settings(settings, home)
        | {
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_PROFILES_PATH": str(home / "prefect" / "profiles.toml"),
            "PREFECT_API_URL": api_url,
            MARK: str(home),
        }
    )


def server_environment(base: dict[str, str], host: str, port: int, database_url: str | None) -> dict[str, str]:
    """Return the environment of the Prefect server; the database's URL, with its password, goes nowhere else."""
    environment = base | {
        PART: SERVER,
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(Path(base["PREFECT_HOME"]) / "ui"),
        "PREFECT_UI_API_URL": base.get("PREFECT_UI_API_URL", "/api"),  # wherever the browser has the UI from
    }
    return environment | ({_DATABASE[0]: database_url} if database_url else {})


def worker_environment(base: dict[str, str], pool: str) -> dict[str, str]:
    """Return the environment of a worker and of the flows that it runs."""
    return base | {PART: pool}


def api_environment(base: dict[str, str]) -> dict[str, str]:
    """Return the environment of the HTTP API."""
    return base | {PART: API}


def page_environment(base: dict[str, str], ask_url: str, ui_url: str) -> dict[str, str]:
    """Return the environment of the page, which knows the HTTP API and no secret of the home.

    :param ui_url: of Prefect's UI, for links, unless `RAGLOOP_PAGE_PREFECT` names another.
    """
    own = {name: value for name, value in base.items() if not name.startswith(("RAGLOOP_", "PREFECT_"))}
    page = {name: value for name, value in base.items() if name.startswith("RAGLOOP_PAGE_")}
    if key_file := page.get(_PAGE_KEY):
        page[_PAGE_KEY] = str(Path(key_file).expanduser().absolute())
    told = {"RAGLOOP_PAGE_API": ask_url, PART: PAGE, MARK: base[MARK]}
    return own | {"RAGLOOP_PAGE_PREFECT": ui_url} | page | told


def written_database_url() -> str | None:
    """Return the URL of Prefect's own database that `.env` names; None if it names none."""
    written = _dot_env()
    return next((written[name] for name in _DATABASE if written.get(name)), None)


def worker_name(pool: str) -> str:
    """Return the name of this machine's worker in a pool."""
    return f"{pool}-{socket.gethostname().split('.')[0]}"


def _past_proxies(environment: dict[str, str]) -> dict[str, str]:
    """Return an environment in which no proxy is asked for what is on this machine, whose ports none knows."""
    said = environment.get("no_proxy", environment.get("NO_PROXY", ""))  # where both are set, the small one counts
    hosts = [host.strip() for host in said.split(",") if host.strip()]
    past = ",".join(hosts if hosts == ["*"] else dict.fromkeys([*hosts, *_THIS_MACHINE]))
    return environment | {"NO_PROXY": past, "no_proxy": past}


def _written() -> dict[str, str]:
    """Return what `.env` says to all parts."""
    return {name: value for name, value in _dot_env().items() if name not in _NOT_OURS + _DATABASE}


def _dot_env() -> dict[str, str]:
    """Return what `.env` in the working directory says to ragloop and Prefect."""
    found = {name.upper(): value for name, value in dotenv_values(".env").items() if value is not None}
    return {name: value for name, value in found.items() if name.startswith(("RAGLOOP_", "PREFECT_"))}


def _settings(settings: Settings, home: Path) -> dict[str, str]:
    environment = {
        "RAGLOOP_HOME": str(home),
        "RAGLOOP_KEY_FILE": str(settings.key_file.expanduser().absolute()),
        "RAGLOOP_DEVICE_LOCK": str(settings.device_lock.expanduser().absolute()),
    }
    if settings.config:
        environment["RAGLOOP_CONFIG"] = str(settings.config.expanduser().absolute())
    if settings.database_url:
        environment["RAGLOOP_DATABASE_URL"] = _absolute_sqlite(settings.database_url)
    if settings.artifact_root:
        root = settings.artifact_root
        environment["RAGLOOP_ARTIFACT_ROOT"] = root if "://" in root else str(Path(root).expanduser().absolute())
    return environment


def _absolute_sqlite(url: str) -> str:
    head, separator, path = url.partition(":///")
    if not head.startswith("sqlite") or not separator or not path or path.startswith(("/", ":memory:", "file:")):
        return url
    return f"{head}:///{Path(path).absolute()}"
