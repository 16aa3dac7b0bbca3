"""Work that nobody waits for makes room for what people do."""

import os
from contextlib import suppress
from pathlib import Path


def step_back(niceness: int) -> None:
    """Let all other processes go first from now on: this one takes what they leave of the cores.

    Linux weighs sessions against each other before it weighs their processes (autogroups, in sched(7)), so a process
    that has a session of its own steps back with all of it.

    :param niceness: 0 to 19; a process that has more keeps it.
    """
    os.nice(max(niceness - os.nice(0), 0))
    if niceness and os.getsid(0) == os.getpid():
        with suppress(OSError):  # there is none, or not so often
            Path("/proc/self/autogroup").write_text(f"{niceness}", encoding="ascii")
