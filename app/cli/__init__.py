"""The `ragloop` command. Heavy imports stand inside the commands, so that help answers at once."""

import errno
import os
import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

import rag  # noqa: F401  sets the switches that heavy packages read when they are imported
from app.cli import (
    ask,
    chat,
    corpus,
    doctor,
    evaluate,
    experiments,
    explain,
    feedback,
    keys,
    loop,
    monitor,
    operations,
    page,
    pairs,
    releases,
    report,
    serve,
    tune,
)
from app.cli.options import complain
from storage.errors import RagloopError

EXIT_CODES = (
    "Exit codes: 0 done; 1 declined, failed or broken off; 2 refused, and a line on standard error says why and what "
    "to do; 130 cut short by Ctrl-C."
)

SERVER_EXIT_CODES = (
    "Exit codes: 0 stopped, by Ctrl-C or SIGTERM; 1 broken off; 2 refused, and a line on standard error says why and "
    "what to do."
)
_SERVERS = {"up", "serve", "page"}
"""They run until they are told to stop."""

app = typer.Typer(
    name="ragloop",
    help="Answers from your documents, and a loop that makes them better.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
for _group in (ask, explain, corpus, loop, evaluate, report, monitor, operations, doctor, page, serve, tune):
    app.add_typer(_group.commands)
app.add_typer(chat.commands, name="chat")
app.add_typer(experiments.commands, name="experiments")
app.add_typer(feedback.commands, name="feedback")
app.add_typer(keys.commands, name="keys")
app.add_typer(pairs.commands, name="pairs")
app.add_typer(releases.commands, name="releases")
for _added in app.registered_groups:
    _added.epilog = EXIT_CODES
    for _command in _added.typer_instance.registered_commands if _added.typer_instance else ():
        _of_server = _command.callback is not None and _command.callback.__name__ in _SERVERS
        _command.epilog = SERVER_EXIT_CODES if _of_server else EXIT_CODES


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can mend is one line on standard error and exit code 2."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except RagloopError as error:
        complain(str(error))
    except TyperException as error:
        _complain_of_usage(error)
    except typer.Abort:
        complain("broken off")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has had enough
        sys.exit(1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        complain(f"{error.filename or 'the disk'}: {error.strerror}: make room or give access, then run it again")
    except ValueError as error:
        line = _settings_error(error)
        if line is None:
            raise
        complain(line)
    else:
        sys.exit(code)
    sys.exit(2)


def _complain_of_usage(error: TyperException) -> None:
    """Say in a line what is no command, option or value; nothing where there was no word, and help is shown."""
    said, context = error.format_message(), getattr(error, "ctx", None)
    if said:
        end = "" if said[-1] in ".?" else "."
        complain(f"{said}{end} See `{context.command_path if context else 'ragloop'} --help`")


def _settings_error(error: ValueError) -> str | None:
    """Return the line for a RAGLOOP_ variable that cannot be used; None for any other error."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        return None
    from app.doctor.configured import settings_fault

    fault = settings_fault(error)
    return f"{fault.what}: {fault.mend}"
