"""What runs in a fork is seen from outside as a process of its own is."""

import os
import subprocess
import sys

import pytest

from tests.forked import ROOT, forks


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("app.cli", ["--help"]),
        ("app.cli", ["documents"]),  # there is no home: 2, and a line on standard error
        ("app.cli", ["documents", "--nonsense"]),
        ("timeit", ["raise SystemError"]),  # 1, and a traceback
        ("unittest", ["no.such.test"]),
    ],
)
def test_it_says_the_same_and_ends_the_same(home, module, arguments):
    command = [sys.executable, "-m", module, *arguments]
    real = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    forked = forks().run(module, arguments, dict(os.environ), 60)
    assert (forked.returncode, forked.stdout) == (real.returncode, real.stdout)
    assert forked.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:]


def test_it_reads_its_own_environment_and_leaves_none_to_the_next(home, tmp_path):
    show = ["-n1", "-r1", "import os; print(os.environ.get('RAGLOOP_HOME'), os.getcwd())"]
    with_home = forks().run("timeit", show, dict(os.environ), 60).stdout.splitlines()[0]
    without = {name: value for name, value in os.environ.items() if name != "RAGLOOP_HOME"}
    assert with_home == f"{home} {ROOT}"
    assert forks().run("timeit", show, without, 60).stdout.splitlines()[0] == f"None {ROOT}"


def test_one_that_takes_too_long_is_ended():
    with pytest.raises(subprocess.TimeoutExpired):
        forks().run("http.server", ["--bind", "127.0.0.1", "0"], dict(os.environ), 1)
    assert forks().run("timeit", ["-n1", "pass"], dict(os.environ), 60).returncode == 0


def test_what_libraries_read_has_to_be_the_same():
    assert forks().can_run(os.environ | {"RAGLOOP_HOME": "elsewhere", "PREFECT_API_URL": "http://127.0.0.1:9/api"})
    assert not forks().can_run(os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"})
