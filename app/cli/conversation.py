"""What the commands that answer in the terminal share: one question, or a conversation."""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from app.cli.options import complain
from storage.errors import RagloopError

if TYPE_CHECKING:
    from rag.answering.answer import Question, Turn


def in_terminal() -> bool:
    """Say whether a person is at the other end."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def require_question(question: str | None, command: str, as_json: bool) -> None:
    """Check that there is something to answer, before anything is opened for it.

    :raises RagloopError: if there is not, or it cannot be taken.
    """
    if question is None and (as_json or not in_terminal()):
        raise RagloopError(f"no question: {command} 'How long is the warranty?'")
    if question is not None:
        if not question.strip():
            raise RagloopError("the question is empty: give some words to answer")
        asked(question, ())


def asked(text: str, history: "Sequence[Turn]", documents: tuple[str, ...] = ()) -> "Question":
    """Return a question with what was said before it.

    :raises RagloopError: if it cannot be taken.
    """
    from pydantic import ValidationError

    from rag.answering.answer import Question

    if not _is_text(text):
        raise RagloopError("the question holds bytes that are no UTF-8: type it anew, or save its file as UTF-8")
    try:
        return Question(text=text, history=tuple(history), documents=documents)
    except ValidationError as error:
        [first, *_] = error.errors()
        if first["loc"] == ("text",) and first["type"] == "string_too_long":
            longest = first["ctx"]["max_length"]
            raise RagloopError(
                f"the question has {len(text)} characters: ask in {longest} characters or fewer"
            ) from None
        raise RagloopError(f"the question cannot be taken ({first['msg']}): put it in other words") from None


def _is_text(text: str) -> bool:
    """Say whether a shell has given characters alone; other bytes come as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def converse(question: str | None, reply: "Callable[[Question], str]", documents: tuple[str, ...] = ()) -> None:
    """Reply to one question, or without it to all that are typed, each with what was said before.

    What one cannot be answered for is said, and the conversation goes on.

    :raises RagloopError: if the one question cannot be answered.
    """
    from rag.answering.answer import Turn

    history: list[Turn] = []
    while text := question or _typed():
        try:
            said = reply(asked(text, history, documents))
        except RagloopError as error:
            if question is not None:
                raise
            complain(str(error))
            continue
        if question is not None:
            return
        history += [Turn(role="user", content=text), Turn(role="assistant", content=said)]


def _typed() -> str:
    """Return the next question; empty at the end."""
    try:
        return str(typer.prompt("\nquestion (Ctrl-D ends)", prompt_suffix="> ", default="", show_default=False)).strip()
    except typer.Abort:
        print()
        return ""
