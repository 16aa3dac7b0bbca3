import logging
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from rag import device as device_module
from rag.device import Device, DeviceBusy
from rag.errors import ConfigError

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from rag.device import Device
with Device(Path(sys.argv[1])).held("a drill"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "device.lock"


@pytest.fixture
def elsewhere(lock):
    """Another process that holds the device."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def wait_until(true, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_who_has_the_device_can_be_read_and_is_gone_afterwards(lock):
    device = Device(lock)
    assert device.holder() is None
    with device.held("fine-tuning"):
        holder = device.holder()
        assert (holder.pid, holder.purpose) == (os.getpid(), "fine-tuning")
    assert device.holder() is None
    assert lock.read_bytes() == b""


def test_another_process_is_named_by_who_will_not_wait(lock, elsewhere):
    with pytest.raises(DeviceBusy, match=f"a drill, by .* \\(process {elsewhere.pid} on .*since"):
        with Device(lock).held("mine", timeout_s=0):
            pass


def test_a_killed_holder_frees_the_device_at_once_for_who_waits(lock, elsewhere, caplog):
    caplog.set_level(logging.INFO, logger="rag.device")
    taken = threading.Event()

    def take():
        with Device(lock).held("mine"):
            taken.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    wait_until(lambda: "waiting" in caplog.text)
    assert not taken.is_set()
    elsewhere.send_signal(signal.SIGKILL)
    waiting.join(timeout=30)
    assert taken.is_set()
    assert f"waiting: the device is taken: a drill, by {Device(lock).holder() or ''}" in caplog.text


def test_threads_exclude_each_other(lock):
    device, inside, most = Device(lock), [], []

    def work(n):
        with device.held(f"thread {n}"):
            inside.append(n)
            most.append(len(inside))
            time.sleep(0.02)
            inside.remove(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert most == [1] * 5


def test_who_waits_is_reminded_of_whom(lock, elsewhere, caplog, monkeypatch):
    monkeypatch.setattr(device_module, "REMIND_S", 0.1)
    caplog.set_level(logging.INFO, logger="rag.device")
    with pytest.raises(DeviceBusy), Device(lock).held("mine", timeout_s=2.5):
        pass
    assert caplog.text.count("waiting: the device is taken: a drill") > 1


def test_a_program_that_outlives_its_parent_does_not_keep_the_device(lock):
    with Device(lock).held("training"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
    try:
        with Device(lock).held("the next one", timeout_s=0):
            assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_fork_that_outlives_its_parent_does_not_keep_the_device(lock):
    with Device(lock).held("training"):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        child.start()
    try:
        with Device(lock).held("the next one", timeout_s=0):
            assert child.is_alive()
    finally:
        child.kill()
        child.join()


def test_a_fork_does_not_free_the_device_of_its_parent(lock):
    with Device(lock).held("training"):
        child = multiprocessing.get_context("fork").Process(target=int)
        child.start()
        child.join()
        assert Device(lock).holder().purpose == "training"


def test_every_user_of_the_machine_may_use_the_file(lock):
    before = os.umask(0o077)
    try:
        with Device(lock).held("mine"):
            assert stat.S_IMODE(lock.stat().st_mode) == 0o666
    finally:
        os.umask(before)


def test_another_users_file_in_a_sticky_folder_is_used():
    other_user = 65534 if os.getuid() == 0 else os.getuid()  # only root may become another
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o1777)
        lock = Path(folder, "device.lock")
        with Device(lock).held("root's"):
            pass
        become = f"import os, socket, getpass, pwd; os.setuid({other_user})"
        code = HOLD.replace("with Device", f"{become}\nwith Device")
        with subprocess.Popen([sys.executable, "-c", code, lock], cwd=ROOT, stdout=subprocess.PIPE) as other:
            try:
                assert other.stdout.readline() == b"held\n"
                assert Device(lock).holder().pid == other.pid
            finally:
                other.kill()


def test_a_link_is_not_followed(lock, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for plant in (lock.symlink_to, lock.hardlink_to):
        plant(precious)
        with pytest.raises(ConfigError, match=r"device\.lock .*RAGLOOP_DEVICE_LOCK"), Device(lock).held("mine"):
            pass
        lock.unlink()
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("plant", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(lock, plant):
    plant(lock)
    with pytest.raises(ConfigError), Device(lock).held("mine"):
        pass


def test_nonsense_in_the_file_does_no_harm(lock):
    with Device(lock).held("mine"):
        lock.write_bytes(b"\x1b[2J nonsense")
        assert Device(lock).holder() is None
        with pytest.raises(DeviceBusy, match="taken: by another process"), Device(lock).held("other", timeout_s=0):
            pass


def test_a_lock_file_that_was_removed_and_made_again_is_one_lock(lock):
    with Device(lock).held("mine"):
        pass
    lock.unlink()
    with Device(lock).held("mine"):
        with pytest.raises(DeviceBusy), Device(lock).held("other", timeout_s=0):
            pass
