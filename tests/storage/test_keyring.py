import multiprocessing
from pathlib import Path

import pytest

from storage.errors import StorageError, WrongKey
from storage.keyring import Keyring
from storage.sealing import Sealer


def _create(key_file: Path) -> str:
    return Keyring.load_or_create(key_file, create=True).to_json()


def test_key_file_is_private_and_in_a_private_folder(tmp_path):
    key_file = tmp_path / "keys" / "home.key"
    created = Keyring.load_or_create(key_file, create=True)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.parent.stat().st_mode & 0o777 == 0o700
    assert Keyring.load_or_create(key_file, create=False) == created
    assert list(key_file.parent.iterdir()) == [key_file]


def test_key_that_is_gone_is_not_replaced_unless_asked(tmp_path):
    with pytest.raises(WrongKey, match=r"no key at .*home\.key: put back"):
        Keyring.load_or_create(tmp_path / "home.key", create=False)
    assert not (tmp_path / "home.key").exists()


def test_key_file_that_others_can_read_is_refused_with_chmod(tmp_path):
    key_file = tmp_path / "home.key"
    Keyring.load_or_create(key_file, create=True)
    key_file.chmod(0o640)
    with pytest.raises(StorageError, match=rf"chmod 600 {key_file}"):
        Keyring.load_or_create(key_file, create=True)


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"\xff\xfe", b"[]", b"{}", b'{"streaming": {}, "columns": 1}'])
def test_file_that_holds_no_keys_is_refused_by_name(tmp_path, content):
    key_file = tmp_path / "home.key"
    key_file.write_bytes(content)
    key_file.chmod(0o600)
    with pytest.raises(WrongKey, match=r"home\.key holds no ragloop keys"):
        Keyring.load_or_create(key_file, create=True)
    assert key_file.read_bytes() == content


def test_processes_that_race_end_with_one_key(tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        keys = pool.map(_create, [tmp_path / "home.key"] * 6, chunksize=1)
    assert len(set(keys)) == 1


def test_rotated_key_ring_opens_old_values_and_keeps_fingerprints(tmp_path):
    old = Keyring.load_or_create(tmp_path / "home.key", create=True)
    new = old.rotate().rotate()
    new.save(tmp_path / "home.key")
    before, after = Sealer(old), Sealer(Keyring.load_or_create(tmp_path / "home.key", create=False))
    assert after.open_text(before.seal_text("a question", "t.c"), "t.c") == "a question"
    assert after.open_bytes(before.seal_bytes(b"bytes", "f"), "f") == b"bytes"
    assert after.fingerprint("a question") == before.fingerprint("a question")
    with pytest.raises(StorageError):
        before.open_text(after.seal_text("new", "t.c"), "t.c")


def test_printing_a_key_ring_shows_no_key():
    keyring = Keyring.generate()
    assert "value" not in repr(keyring)
    assert "typeUrl" in keyring.to_json()
