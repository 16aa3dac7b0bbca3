import stat

import pytest

from storage.errors import StorageError
from storage.plain_files import write_plain_files


def test_files_are_written_for_their_owner_alone(tmp_path):
    written = write_plain_files(tmp_path / "new", {"a.txt": ["läuft", "\n"], "b.txt": []})
    assert written["a.txt"].read_text(encoding="utf-8") == "läuft\n" and written["b.txt"].read_text() == ""
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o600}


def test_all_are_written_or_none(tmp_path):
    write_plain_files(tmp_path, {"a.txt": ["before"]})

    def breaks_off():
        yield "half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_plain_files(tmp_path, {"a.txt": ["after"], "b.txt": breaks_off()})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.txt": "before"}


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StorageError, match=r"cannot export to .*: Is a directory: choose a folder") as said:
        write_plain_files(tmp_path, {"a.txt": ["x"]})
    assert "\n" not in str(said.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
