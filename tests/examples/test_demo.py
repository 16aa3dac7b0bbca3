"""What the demo prints to go on with can be pasted as it stands."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli import app

DEMO = Path(__file__).parents[2] / "examples" / "demo.sh"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def pasted(tmp_path_factory):
    """The printed commands, as a shell splits them: home, program, arguments. The demo's own steps do nothing here."""
    ragloop = tmp_path_factory.mktemp("bin") / "ragloop"
    ragloop.symlink_to(shutil.which("true"))
    environment = os.environ | {"RAGLOOP_BIN": str(ragloop), "RAGLOOP_HOME": "home-of-the-demo"}
    said = subprocess.run(["sh", DEMO], env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    lines = said.partition("Where to look next")[2].splitlines()
    commands = []
    for words in (shlex.split(line, comments=True) for line in lines if str(ragloop.parent) in line):
        home = words.pop(0).partition("RAGLOOP_HOME=")[2] if words[0].startswith("RAGLOOP_HOME=") else None
        assert Path(words[0]).parent == ragloop.parent
        commands.append((home, Path(words[0]).name, words[1:]))
    return commands


def parse(words, group):
    """Have a command take its arguments, without doing anything."""
    name, *rest = words
    command = group.commands[name]
    if hasattr(command, "commands"):
        parse(rest, command)
    else:
        command.make_context(name, rest)


def test_ragloop_takes_each_command(pasted):
    commands = [arguments for _, program, arguments in pasted if program == "ragloop"]
    assert len(commands) >= 4
    for arguments in commands:
        parse(arguments, typer.main.get_command(app))


def test_each_command_on_the_example_names_the_home_of_the_demo(pasted):
    homes = {home for home, program, arguments in pasted if program == "ragloop" and "handbook" in arguments}
    assert homes == {"home-of-the-demo"}


def test_tensorboard_is_where_ragloop_is_and_reads_the_home_of_the_demo(pasted):
    [(_, program, arguments)] = [command for command in pasted if command[1] != "ragloop"]
    assert (BIN / program).exists()
    assert arguments == ["--logdir", "home-of-the-demo/artifacts/embedder"]
