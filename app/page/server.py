"""The page as an ASGI application, set up such that it asks nothing of any other host."""

from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from streamlit import net_util
from streamlit.starlette import App
from streamlit.web.bootstrap import load_config_options

from app.page.documents import MOST_UPLOAD_MB
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


def page_app(host: str, port: int) -> App:
    """Return the page's application, for the address that it is served at."""
    load_config_options(_SETTINGS | {"server.address": host, "server.port": port, "browser.serverAddress": host})
    net_util.get_external_ip = lambda: None  # else it asks a host outside when a foreign page knocks
    return App(Path(__file__).with_name("main.py"), middleware=[Middleware(VisitCookie, port=port)])
