"""Where the `ragloop up` of a home is to be reached: `HOME/up.json`, there as long as it runs."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError


class Address(BaseModel):
    """The Prefect server of a home."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    ui_url: str
    pid: int
    """The process of `ragloop up`."""


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
    """Return the home's server if it answers."""
    import httpx

    address = read_address(home)
    if address is None:
        return None
    try:
        httpx.get(f"{address.api_url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError:
        return None
    return address


def _file(home: Path) -> Path:
    return home / "up.json"
