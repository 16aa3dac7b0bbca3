"""The page as an ASGI application, set up such that it asks nothing of any other host."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from streamlit import net_util
from streamlit.starlette import App
from streamlit.web.bootstrap import load_config_options

from app.page.documents import MOST_UPLOAD_MB
from app.page.origins import OwnOrigin
from app.page.visits import VisitCookie

_SETTINGS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": True,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": MOST_UPLOAD_MB,
    "server.runOnSave": False,
}


def page_app(host: str, port: int, origins: Sequence[str] = (), shared_key: bool = False) -> App:
    """Return the page's application, for the address that it is served at.

    :param origins: that it has besides, as browsers send them, such as behind a proxy.
    :param shared_key: whether all who open it ask with one key, and need none of their own.
    """
    address = {"server.address": host, "server.port": port, "browser.serverAddress": host}
    load_config_options(_SETTINGS | address | {"server.corsAllowedOrigins": list(origins)})
    MultiPartParser.spool_max_size = (MOST_UPLOAD_MB + 1) * 2**20  # no file that is sent lies unsealed on the disk
    net_util.get_external_ip = lambda: None  # else it asks a host outside when a foreign page knocks
    own = Middleware(OwnOrigin, host=host, origins=origins, shared_key=shared_key)
    return App(Path(__file__).with_name("main.py"), middleware=[own, Middleware(VisitCookie, port=port)])
