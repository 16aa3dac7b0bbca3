"""The real command in a process that has the heavy libraries already: importing them is most of what a command costs.

One process imports them, and runs each command in a fork of itself. It imports nothing of ours and no Prefect, so that
a command reads its own environment and imports its own modules. What the libraries themselves read of the environment
was read before: a command that differs there is none for `run`.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
_LIBRARIES = "sentence_transformers peft faiss ir_measures datasketch docket fastapi griffe sqlmodel tink typer".split()
"""What commands import, and what Prefect does; with all that these import."""
_NOT_THEIRS = ("RAGLOOP_", "PREFECT_", "PYTEST_", "TORCHINDUCTOR_")
"""Variables that no library reads while it is imported begin so; torch sets the last itself when it compiles."""


class Forks:
    """The process that forks."""

    def __init__(self) -> None:
        self._inherited = _read_by_libraries(os.environ)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._process.communicate)

    def can_run(self, environment):
        """Say whether a command with this environment would import the same libraries in the same state."""
        return _read_by_libraries(environment) == self._inherited

    def run(self, module, arguments, environment, timeout_s):
        """Run `python -m module` as `subprocess.run` does, and return what it returns."""
        with tempfile.TemporaryDirectory(prefix="ragloop-fork-") as folder:
            place = Path(folder)
            request = {"module": module, "arguments": arguments, "environment": environment, "timeout_s": timeout_s}
            (place / "request.json").write_text(json.dumps(request))
            print(folder, file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            stdout, stderr = ((place / name).read_text() for name in ("stdout", "stderr"))
        if code == -signal.SIGALRM:
            raise subprocess.TimeoutExpired([module, *arguments], timeout_s, stdout, stderr)
        return subprocess.CompletedProcess([module, *arguments], code, stdout, stderr)


@functools.cache
def forks():
    """Return the process that forks; it ends with this one."""
    return Forks()


def _read_by_libraries(environment):
    return {name: value for name, value in environment.items() if not name.startswith(_NOT_THEIRS)}


def _serve():
    """Fork for each folder that is named, and say how it ended; return the folder in the fork, None at the end."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # a fork that collects garbage would write to all of it
    for line in sys.stdin:
        if not (pid := os.fork()):
            return Path(line.strip())
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def _become(folder):
    """Take on the output and the environment of a request; return the module and start the clock."""
    request = json.loads((folder / "request.json").read_text())
    for descriptor, name in enumerate((os.devnull, folder / "stdout", folder / "stderr")):
        file = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(file, descriptor)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["arguments"]]
    sys.modules["numpy"].random.seed()  # or every fork would draw the same numbers
    signal.alarm(request["timeout_s"])  # ends it as a kill does
    return request["module"]


def _run(module):
    """Run it as `python -m` does, and end at once: to take apart all that was imported takes longer than most run."""
    code = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__" and (place := _serve()):
    _run(_become(place))
