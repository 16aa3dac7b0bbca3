import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import SealBroken, StorageError, WrongKey
from storage.sealing import Keyring, Sealer

SHARED = Sealer(Keyring.generate())


@given(st.binary(max_size=2000), st.text(max_size=20))
def test_bytes_come_back_as_they_were(data, place):
    assert SHARED.open_bytes(SHARED.seal_bytes(data, place), place) == data


@given(st.text(max_size=200))
def test_text_comes_back_as_it_was(text):
    assert SHARED.open_text(SHARED.seal_text(text, "chunk.text"), "chunk.text") == text


def test_every_flipped_byte_and_every_cut_is_refused(sealer):
    sealed = sealer.seal_bytes(b"a distinctive sentence", "index/1/metadata")
    assert b"distinctive" not in sealed
    for i in range(len(sealed)):
        for bad in (sealed[:i], sealed[:i] + bytes([sealed[i] ^ 1]) + sealed[i + 1 :]):
            with pytest.raises(SealBroken, match="index/1/metadata: altered, cut short"):
                sealer.open_bytes(bad, "index/1/metadata")


def test_column_text_is_bound_to_its_column(sealer):
    sealed = sealer.seal_text("secret", "chunk.text")
    with pytest.raises(SealBroken, match=r"query_pair\.anchor"):
        sealer.open_text(sealed, "query_pair.anchor")
    for bad in (b"", sealed[:-1], sealed + b"x"):
        with pytest.raises(SealBroken):
            sealer.open_text(bad, "chunk.text")


def test_file_of_several_segments_comes_back_and_is_private(tmp_path, sealer):
    plain, sealed, opened = tmp_path / "plain", tmp_path / "deep" / "sealed", tmp_path / "opened"
    plain.write_bytes(os.urandom((3 << 20) + 17))
    sealer.seal_file(plain, sealed, "doc/1")
    sealer.open_file(sealed, opened, "doc/1")
    assert opened.read_bytes() == plain.read_bytes()
    assert sealer.read_sealed(sealed, "doc/1") == plain.read_bytes()
    assert sealed.stat().st_mode & 0o777 == opened.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("position", [0, 50, 1 << 20, (2 << 20) + 5, -1])
def test_altered_file_leaves_no_plain_text_behind(tmp_path, sealer, position):
    plain, sealed, opened = tmp_path / "plain", tmp_path / "sealed", tmp_path / "out" / "opened"
    plain.write_bytes(os.urandom(3 << 20))
    sealer.seal_file(plain, sealed, "doc/1")
    content = bytearray(sealed.read_bytes())
    content[position] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(SealBroken, match=str(sealed)):
        sealer.open_file(sealed, opened, "doc/1")
    assert list(opened.parent.iterdir()) == []


def test_file_cut_at_a_segment_or_moved_is_refused_by_name(tmp_path, sealer):
    sealer.write_sealed(tmp_path / "a", b"x" * (3 << 20), "index/1/a")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "cut").write_bytes(content[: 2 << 20])
    with pytest.raises(SealBroken, match=str(tmp_path / "cut")):
        sealer.read_sealed(tmp_path / "cut", "index/1/a")
    with pytest.raises(SealBroken, match=str(tmp_path / "a")):
        sealer.read_sealed(tmp_path / "a", "index/2/a")
    with pytest.raises(SealBroken, match="gone: missing"):
        sealer.read_sealed(tmp_path / "gone", "index/1/a")


def test_sealing_a_file_that_is_gone_names_it_and_keeps_the_target(tmp_path, sealer):
    sealer.write_sealed(tmp_path / "target", b"old", "t")
    with pytest.raises(StorageError, match=f"{tmp_path / 'gone'}: no such file"):
        sealer.seal_file(tmp_path / "gone", tmp_path / "target", "t")
    assert sealer.read_sealed(tmp_path / "target", "t") == b"old"
    assert len(list(tmp_path.iterdir())) == 1


FILL = """
import resource, signal, sys
from pathlib import Path
from storage.errors import StorageError
from storage.sealing import Keyring, Sealer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
target = Path(sys.argv[1])
try:
    Sealer(Keyring.generate()).write_sealed(target, b"x" * (4 << 20), "t")
except StorageError as error:
    sys.exit(str(error))
"""


def test_disk_that_fills_while_sealing_is_one_line_and_leaves_nothing(tmp_path):
    target = tmp_path / "sealed"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", FILL, str(target)], capture_output=True, text=True, cwd=root)
    assert done.returncode == 1
    assert done.stderr.strip() == f"{target}: no space left: free some space, or choose another home"
    assert list(tmp_path.iterdir()) == []


def test_fingerprints_ignore_case_and_spacing_and_need_the_key(sealer):
    assert sealer.fingerprint("How do I\n reset  it?") == sealer.fingerprint("how do i reset it?")
    assert sealer.fingerprint("a") != sealer.fingerprint("b")
    assert sealer.fingerprint("a") != SHARED.fingerprint("a")


def test_home_sealed_with_another_key_is_refused_by_name(sealer):
    value = sealer.key_check()
    assert value.isprintable()
    sealer.verify_key_check(value, "/srv/home")
    other = Sealer(Keyring.from_json(Keyring.generate().to_json(), source="/etc/ragloop.key"))
    for broken in (value, "", "not base64!", value[:-8]):
        with pytest.raises(WrongKey, match=r"the key in /etc/ragloop\.key did not seal the home /srv/home"):
            other.verify_key_check(broken, "/srv/home")
