"""What the shell is told at TAB."""

import sys

import pytest

from tests.app.cli.conftest import Installed, in_terminal
from tests.rag.answering.shop import add, open_shop


def completed(installed, line, **environment):
    """Return what is offered for the last word of a line, as bash asks for it."""
    words = line.split(" ")
    asked = {"_RAGLOOP_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = installed.run("ragloop", **asked, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ragloop rel", ["releases"]),
        ("ragloop releases pro", ["promote"]),
        ("ragloop chat tr", ["train"]),
        ("ragloop ask --rel", ["--release"]),
        ("ragloop ask --way h", ["hybrid"]),
        ("ragloop tune --profile gpu", ["gpu-6gb", "gpu-16gb"]),
        ("ragloop keys create --role tr", ["trainer"]),
        ("ragloop documents --collection ", ["default"]),
        ("ragloop releases show ", ["production", "1"]),
        ("ragloop releases promote ", ["1"]),
        ("ragloop releases promote --collection nothing ", []),
        ("ragloop forget b", ["bakery.txt", "boats.txt"]),
        ("ragloop ask why? --document ch", ["cheese.txt"]),
    ],
)
def test_commands_options_and_what_the_home_holds_are_offered(installed, line, offered):
    assert completed(installed, line) == offered


@pytest.mark.parametrize("line", ["ragloop releases promote ", "ragloop documents -c "])
def test_without_a_home_nothing_is_offered_and_none_is_made(homeless, line):
    assert completed(homeless, line) == []
    assert not homeless.home.exists()


def test_what_is_wrong_with_the_home_is_not_said_at_tab(installed, tmp_path):
    (tmp_path / "keyring.json").write_text("no key")
    assert completed(installed, "ragloop forget ", RAGLOOP_KEY_FILE=str(tmp_path / "keyring.json")) == []
    assert completed(installed, "ragloop forget ", RAGLOOP_MODELS="cloud") == []


def test_completion_imports_nothing_heavy(installed):
    code = """
import sys
from app.cli import app
try:
    app(prog_name="ragloop")
except SystemExit:
    pass
sys.exit(any(name in sys.modules for name in ("torch", "prefect", "sqlmodel")))
"""
    asked = {"_RAGLOOP_COMPLETE": "complete_bash", "COMP_WORDS": "ragloop rel", "COMP_CWORD": "1"}
    done = installed.run(sys.executable, "-c", code, **asked)
    assert (done.returncode, done.stdout.split()) == (0, ["releases"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(installed, shell):
    done = installed.run("ragloop", _RAGLOOP_COMPLETE=f"source_{shell}")
    assert done.returncode == 0
    assert f"_RAGLOOP_COMPLETE=complete_{shell}" in done.stdout


@pytest.mark.parametrize(("shell", "described"), [("zsh", '"1":"production'), ("fish", "1\tproduction: ")])
def test_a_shell_that_can_shows_what_a_release_is(installed, shell, described):
    asked = {"_TYPER_COMPLETE_ARGS": "ragloop releases promote ", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert described in installed.run("ragloop", _RAGLOOP_COMPLETE=f"complete_{shell}", **asked).stdout


def test_bash_completes_once_it_is_installed(installed, tmp_path):
    said = installed.run("bash", "-c", "ragloop --install-completion; :", HOME=str(tmp_path))
    assert "completion installed" in said.stdout, said.stderr
    pressed = (
        'source ~/.bashrc; COMP_WORDS=(ragloop exp); COMP_CWORD=1; _ragloop_completion ragloop; echo "${COMPREPLY[@]}"'
    )
    done = installed.run("bash", "-c", pressed, HOME=str(tmp_path))
    assert sorted(done.stdout.split()) == ["experiments", "explain"], done.stderr


def test_no_name_at_tab_runs_a_command_or_becomes_several_words(tmp_path):
    odd = ["$(touch pwned).txt", "`touch pwned`.txt", "my notes.txt", "a;touch pwned.txt", "--yes.txt", "plain-1.txt"]
    add(open_shop(tmp_path), tmp_path, {name: f"The {name} boats leave at nine." for name in odd})
    here = Installed(tmp_path)
    assert completed(here, "ragloop forget ") == ["bakery.txt", "boats.txt", "cheese.txt", "plain-1.txt"]
    script = here.run("ragloop", _RAGLOOP_COMPLETE="source_bash").stdout
    show = "ragloop() { printf '<%s>' \"$@\"; }"
    (tmp_path / "rc").write_text(f"{script}\n{show}\ncd {tmp_path}\n")
    typed = "".join(f"ragloop forget {start}\t\n" for start in ("$", "my", "pl")) + "exit\n"
    shown = in_terminal(["bash", "--rcfile", str(tmp_path / "rc"), "-i"], 200, here.environment, typed)
    assert "<forget><plain-1.txt>" in shown
    assert "<notes.txt>" not in shown
    assert not (tmp_path / "pwned").exists()


def test_what_a_release_is_holds_no_command_for_a_shell_that_shows_it(tmp_path):
    space = open_shop(tmp_path)
    serving = space.registry.get("default", 1)
    made_of = {part: getattr(serving, part) for part in ("embedder", "index", "config", "lineage")}
    made_of["answering"] = serving.answering | {"other": True}
    space.registry.register("default", reason="back \\$(touch pwned) `x` \"y\" 'z'", parent_id=1, **made_of)
    asked = {"_TYPER_COMPLETE_ARGS": "ragloop releases promote "}
    offered = Installed(tmp_path).run("ragloop", _RAGLOOP_COMPLETE="complete_zsh", **asked).stdout
    assert "back  touch pwned   x   y   z" in offered
