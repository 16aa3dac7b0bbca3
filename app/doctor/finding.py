"""What a check has seen, and how checks are run."""

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from rag.errors import RagloopError

PATIENCE_S = 20.0
"""After which a check is given up; all but that of a card, which imports torch, take well under two seconds."""
NETWORK_S = 2.0


class State(StrEnum):
    """How well something is."""

    OK = "ok"
    NOTE = "note"
    """It works without; what is different then is said."""
    MISSING = "missing"
    """It has to be mended."""


class Finding(NamedTuple):
    """What a check has seen."""

    state: State
    what: str
    mend: str = ""
    """The command or the step that mends it."""


Check = Callable[[], Finding]


def run_checks(checks: Mapping[str, Check], patience_s: float = PATIENCE_S) -> dict[str, Finding]:
    """Return what each check finds, by its name; one that fails or hangs is a finding, and stops no other."""
    return {name: _found(check, patience_s) for name, check in checks.items()}


def _found(check: Check, patience_s: float) -> Finding:
    found: list[Finding] = []

    def look() -> None:
        try:
            found.append(check())
        except RagloopError as error:
            what, _, mend = str(error).rpartition(": ")  # each of our errors ends with its remedy
            found.append(Finding(State.MISSING, what, mend))
        except Exception as error:  # whatever is broken here, the other checks go on
            found.append(Finding(State.MISSING, f"{type(error).__name__}: {error}"))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(patience_s)
    return found[0] if found else Finding(State.MISSING, f"no answer for {patience_s:g} s", "see what it waits for")
