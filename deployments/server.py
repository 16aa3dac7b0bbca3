"""The Prefect server that the environment names."""

import os
from base64 import b64encode

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from storage.errors import RagloopError

_REMEDY = "start it with `ragloop up`, or set PREFECT_API_URL to the one that runs"


class ServerUnreachable(RagloopError):
    """No Prefect server is named, none answers, or it does not answer whoever asks from here."""


def server_address() -> str:
    """Return the API's address, read now and not when Prefect was imported.

    :raises ServerUnreachable: if none is named.
    """
    address = os.environ.get("PREFECT_API_URL") or PREFECT_API_URL.value()
    if not address:
        raise ServerUnreachable(f"no Prefect server is named: {_REMEDY}")
    return address.rstrip("/")


def connect(address: str | None = None) -> SyncPrefectClient:
    """Return a client of the server, for use in a `with`.

    :param address: of its API; the one that is named unless given.
    :raises ServerUnreachable: if no server is named, it does not answer, or it wants a sign-in.
    """
    address = address or server_address()
    require_answer(address, _REMEDY)
    return SyncPrefectClient(address, auth_string=_auth_string())


def require_answer(address: str, remedy: str, timeout_s: float = 10) -> None:
    """See that a server answers, also what needs a sign-in: its `/health` does not.

    :param remedy: what to do if it does not answer.
    :raises ServerUnreachable: if it does not, or wants a sign-in.
    """
    signed_in = _auth_string()
    headers = {"Authorization": f"Basic {b64encode(signed_in.encode()).decode()}"} if signed_in else {}
    try:
        answer = httpx.get(f"{address}/admin/version", headers=headers, timeout=timeout_s)
        if answer.status_code in (401, 403):
            raise ServerUnreachable(
                f"the Prefect server at {address} wants a sign-in: set PREFECT_API_AUTH_STRING to what it has as "
                "PREFECT_SERVER_API_AUTH_STRING"
            )
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerUnreachable(f"no Prefect server answers at {address} ({type(error).__name__}): {remedy}") from error


def _auth_string() -> str | None:
    """Return what to sign in with, read now as the address is."""
    return os.environ.get("PREFECT_API_AUTH_STRING") or PREFECT_API_AUTH_STRING.value()
