"""The Prefect server that the environment names."""

import os

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from storage.errors import RagloopError

_REMEDY = "start it with `ragloop up`, or set PREFECT_API_URL to the one that runs"


class ServerUnreachable(RagloopError):
    """No Prefect server is named, or none answers."""


def server_address() -> str:
    """Return the API's address, read now and not when Prefect was imported.

    :raises ServerUnreachable: if none is named.
    """
    address = os.environ.get("PREFECT_API_URL") or PREFECT_API_URL.value()
    if not address:
        raise ServerUnreachable(f"no Prefect server is named: {_REMEDY}")
    return address.rstrip("/")


def connect() -> SyncPrefectClient:
    """Return a client of the server, for use in a `with`.

    :raises ServerUnreachable: if no server is named, or it does not answer.
    """
    address = server_address()
    try:
        httpx.get(f"{address}/health", timeout=10).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerUnreachable(
            f"no Prefect server answers at {address} ({type(error).__name__}): {_REMEDY}"
        ) from error
    return SyncPrefectClient(address, auth_string=PREFECT_API_AUTH_STRING.value())
