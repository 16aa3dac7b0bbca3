"""What holds for every command there is, so that no new one forgets it."""

import typer

from app.cli import EXIT_CODES, SERVER_EXIT_CODES, app

FOREGROUND = {"up", "serve", "page"}
"""They run until they are stopped, and print an address."""


def commands(group=None, before=()):
    """Yield each command of the tree by its name."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


def groups(group=None, before=()):
    """Yield each group of commands by its name."""
    group = group or typer.main.get_command(app)
    yield " ".join(before) or "ragloop", group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*before, name))


def options(command):
    return {option for parameter in command.params for option in parameter.opts}


def test_every_command_that_prints_a_result_takes_json():
    takes = {name: "--json" in options(command) for name, command in commands()}
    assert len(takes) > 35
    assert {name for name, it_does in takes.items() if not it_does} == FOREGROUND


def test_every_command_says_what_it_does_and_its_exit_codes():
    for name, command in commands():
        assert command.help, name
        assert command.epilog == (SERVER_EXIT_CODES if name in FOREGROUND else EXIT_CODES), name


def test_every_group_says_what_it_is_for_and_its_exit_codes():
    found = dict(groups())
    assert {"ragloop", "chat", "experiments", "feedback", "keys", "pairs", "releases"} <= set(found)
    for name, group in found.items():
        assert group.help, name
        assert group.epilog == EXIT_CODES, name
