"""`ragloop tune`: what it refuses before anything is trained."""

import pytest

from app.cli import main


@pytest.fixture
def refused(capsys):
    """Run `ragloop tune`; return the line that it ends with."""

    def run(*options):
        with pytest.raises(SystemExit) as ended:
            main(["tune", *map(str, options)])
        assert ended.value.code == 2
        return capsys.readouterr().err

    return run


def test_a_file_that_is_there_is_not_written_over(space, tmp_path, refused):
    mine = tmp_path / "ragloop.toml"
    mine.write_text("[embedding]\nepochs = 9\n")
    assert "ragloop.toml is there already: name a new file" in refused("--write", mine)
    assert mine.read_text() == "[embedding]\nepochs = 9\n"


@pytest.mark.parametrize("name", ["no/such/dir/best.toml", "."])
def test_a_place_that_cannot_be_written_is_refused_first(space, tmp_path, refused, name):
    assert "give --write a file in a folder that can be written" in refused("--write", tmp_path / name)


def test_bounds_in_the_config_file_are_checked(space, tmp_path, monkeypatch, refused):
    mine = tmp_path / "ragloop.toml"
    mine.write_text("[tuning]\nepochs = [4, 2]\n")
    monkeypatch.setenv("RAGLOOP_CONFIG", str(mine))
    assert "tuning: Value error, epochs begins above where it ends" in refused("--profile", "smoke")
