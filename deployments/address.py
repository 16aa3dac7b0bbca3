"""Where the `ragloop up` of a home is to be reached: `HOME/up.json`, believed while it holds `HOME/up.lock`."""

import fcntl
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class Address(BaseModel):
    """The Prefect server of a home, and what people touch."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    ui_url: str
    pid: int
    """The process of `ragloop up`."""
    ask_url: str | None = None
    """Of the HTTP API, if it runs along."""
    page_url: str | None = None


def write_address(home: Path, address: Address) -> None:
    """Say where the server is, to the owner of the home alone."""
    draft = _file(home).with_suffix(".tmp")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(address.model_dump_json())
    draft.replace(_file(home))


def read_address(home: Path) -> Address | None:
    """Return what was written last; None if nothing was, or nothing that can be read."""
    try:
        return Address.model_validate_json(_file(home).read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None


def remove_address(home: Path) -> None:
    """Say that no server runs."""
    _file(home).unlink(missing_ok=True)


def running_server(home: Path) -> Address | None:
    """Return the home's server if its `ragloop up` lives and it answers."""
    import httpx

    # A machine that lost power leaves a file, and another home's server may listen there by now.
    if not _is_up(home) or (address := read_address(home)) is None:
        return None
    try:
        httpx.get(f"{address.api_url}/health", timeout=10, trust_env=False).raise_for_status()
    except httpx.HTTPError:
        return None
    return address


def lock_file(home: Path) -> Path:
    """Return the file that `ragloop up` keeps locked as long as it lives."""
    return home / "up.lock"


def _is_up(home: Path) -> bool:
    try:
        with lock_file(home).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _file(home: Path) -> Path:
    return home / "up.json"
