from pathlib import Path

import pytest

from rag.corpus.files import SourceFile, find_documents
from rag.errors import EmptyCorpus, UnreadableDocument


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")


def test_names_are_posix_paths_within_the_folder_in_sorted_order(tmp_path):
    _write(tmp_path, "b.md", "a/z.txt", "a/A.PDF")
    assert [file.name for file in find_documents([tmp_path]).files] == ["b.md", "a/A.PDF", "a/z.txt"]


def test_hidden_files_unknown_kinds_and_lock_files_are_skipped_and_counted(tmp_path):
    _write(tmp_path, "a.txt", ".hidden.txt", "picture.png", "~$open.docx", ".git/notes.txt")
    found = find_documents([tmp_path])
    assert [file.name for file in found.files] == ["a.txt"]
    assert {file.name for file in found.skipped} == {".hidden.txt", "picture.png", "~$open.docx"}


def test_a_file_named_outright_is_kept_whatever_its_kind(tmp_path):
    _write(tmp_path, "sheet.xlsx")
    assert find_documents([tmp_path / "sheet.xlsx"]).files == [SourceFile(tmp_path / "sheet.xlsx", "sheet.xlsx")]


@pytest.mark.parametrize("names", [[], ["picture.png", ".hidden.txt"]])
def test_a_folder_without_documents_is_refused_with_the_known_kinds(tmp_path, names):
    _write(tmp_path, *names)
    with pytest.raises(EmptyCorpus, match=r"holds no document.*\.pdf, \.docx") as caught:
        find_documents([tmp_path])
    assert str(tmp_path) in str(caught.value)


def test_no_paths_at_all_is_an_empty_corpus():
    with pytest.raises(EmptyCorpus):
        find_documents([])


def test_a_path_that_does_not_exist_is_refused_by_name(tmp_path):
    with pytest.raises(UnreadableDocument, match="nowhere.pdf does not exist"):
        find_documents([tmp_path / "nowhere.pdf"])


def test_two_documents_of_one_name_are_refused_with_both_paths(tmp_path):
    _write(tmp_path, "one/a.txt", "two/a.txt")
    with pytest.raises(UnreadableDocument, match=r"one/a\.txt and .*two/a\.txt would both be named a\.txt"):
        find_documents([tmp_path / "one", tmp_path / "two"])


def test_a_file_reached_twice_counts_once(tmp_path):
    _write(tmp_path, "sub/a.txt", "b.txt")
    found = find_documents([tmp_path, tmp_path / "sub", tmp_path / "b.txt"])
    assert [file.name for file in found.files] == ["b.txt", "sub/a.txt"]


def test_a_broken_link_is_skipped(tmp_path):
    _write(tmp_path, "a.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "missing.txt")
    assert [file.name for file in find_documents([tmp_path]).skipped] == ["gone.txt"]


def test_reading_a_file_that_is_too_large_or_gone_is_refused(tmp_path):
    _write(tmp_path, "a.txt")
    source = SourceFile(tmp_path / "a.txt", "a.txt")
    assert source.read() == b"text"
    with pytest.raises(UnreadableDocument, match="a.txt has .* split it"):
        source.read(max_bytes=3)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(UnreadableDocument, match="a.txt cannot be opened"):
        source.read()


@pytest.fixture
def bucket():
    """A folder in fsspec's store in memory."""
    import fsspec

    fs = fsspec.filesystem("memory")
    for name in ("a.txt", "sub/b.md", ".hidden.txt", "picture.png"):
        fs.pipe_file(f"/handbook/{name}", b"text")
    yield "memory://handbook"
    fs.rm("/handbook", recursive=True)


def test_a_uri_is_searched_like_a_folder(bucket):
    found = find_documents([bucket])
    assert [file.name for file in found.files] == ["a.txt", "sub/b.md"]
    assert {file.name for file in found.skipped} == {".hidden.txt", "picture.png"}
    assert found.files[1].read() == b"text"


def test_a_uri_of_one_file_is_that_file(bucket):
    assert [file.name for file in find_documents([f"{bucket}/sub/b.md"]).files] == ["b.md"]


def test_a_uri_that_no_driver_reaches_is_refused_by_name():
    with pytest.raises(UnreadableDocument, match="gopher://old/handbook cannot be listed"):
        find_documents(["gopher://old/handbook"])


def test_a_uri_with_nothing_at_it_is_refused(bucket):
    with pytest.raises(EmptyCorpus, match="holds no document"):
        find_documents(["memory://nowhere"])


def test_a_remote_file_that_is_too_large_is_refused_before_it_is_read(bucket):
    with pytest.raises(UnreadableDocument, match="split it"):
        find_documents([bucket]).files[0].read(max_bytes=2)
