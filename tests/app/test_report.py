"""`ragloop report`: a file that only its owner reads."""

import stat

import pytest
from typer.testing import CliRunner

from app.cli import app, main
from rag.profiles import Profile, load_config
from tests.app.api.conftest import add_documents
from tests.company import write_company


@pytest.fixture
def company(space, tmp_path):
    """A home with one release."""
    add_documents(space, "default", write_company(tmp_path / "documents"), load_config(Profile.SMOKE))
    return space


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)], catch_exceptions=False)


def test_the_file_is_its_owners_and_the_command_says_what_is_in_it(company, tmp_path):
    out = tmp_path / "new" / "page.html"
    said = report("--out", out)
    assert (said.exit_code, said.stdout.strip()) == (
        0,
        f"{out}  plain text, mode 0600: it quotes questions and passages",
    )
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    page = out.read_text()
    assert page.startswith("<!doctype html>") and "quotes questions and passages in clear" in page
    assert "<h1>Release 1 of default</h1>" in page
    assert report("1").exit_code == 0
    assert (tmp_path / "release-1.html").read_text().count("<h2>") == page.count("<h2>")


def test_a_file_that_is_there_is_written_over_only_by_force(company, tmp_path, capsys):
    for path, options in ((tmp_path / "mine.html", ("--out", "mine.html")), (tmp_path / "release-1.html", ())):
        path.write_text("mine")
        with pytest.raises(SystemExit):
            main(["report", *options])
        assert f"{path.name} is there already: name another place, or write over it with --force" in (
            capsys.readouterr().err
        )
        assert path.read_text() == "mine"
        assert report(*options, "--force").exit_code == 0
        assert path.read_text().startswith("<!doctype html>")


def test_what_cannot_be_is_refused_in_a_line(company, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    for arguments, said in (
        (("7",), "no release 7"),
        (("first",), "no release 'first': give an id"),
        (("--collection", "nothing"), "has no release: add documents"),
        *((("--out", place), "give --out a file in a folder") for place in (str(tmp_path / "folder"), ".", "", "/")),
        (("--out", "x" * 300), "give --out a file in a folder"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["report", *arguments])
        told = capsys.readouterr().err
        assert ended.value.code == 2 and told.count("\n") == 1 and said in told, told
    assert not list((tmp_path / "folder").iterdir()) and not list(tmp_path.glob("*.html"))
