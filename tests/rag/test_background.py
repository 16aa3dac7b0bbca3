import os
import subprocess
import sys
from pathlib import Path

import pytest

STEP_BACK = """
import os, sys
from pathlib import Path
from rag.background import step_back
step_back(int(sys.argv[1]))
group = Path("/proc/self/autogroup")
print(os.nice(0), *(group.read_text() if group.exists() else "").split()[-1:])
"""


def stepped_back(niceness, own_session):
    done = subprocess.run(
        [sys.executable, "-c", STEP_BACK, str(niceness)],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=own_session,
    )
    now, *group = map(int, done.stdout.split())
    return now, group


def test_a_process_steps_back_with_its_own_session():
    now, group = stepped_back(19, own_session=True)
    assert now == 19
    assert group in ([19], [])  # there are none in some containers


def test_one_in_a_terminal_leaves_the_rest_of_the_session_as_it_is():
    group = Path("/proc/self/autogroup")
    before = group.read_text() if group.exists() else None
    assert stepped_back(7, own_session=False)[0] == max(7, os.nice(0))
    assert before is None or group.read_text() == before


@pytest.mark.parametrize("own_session", [True, False])
def test_nothing_changes_where_it_is_not_wanted(own_session):
    assert stepped_back(0, own_session)[0] == os.nice(0)
