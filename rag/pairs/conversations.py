"""Chat logs: JSON lines of turns, each with its conversation, or of whole conversations in OpenAI's shape."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

from rag.pairs.json_lines import JsonLines


def _text(content: object) -> object:
    """Return the text of a message's content, which may come in parts; other parts, such as pictures, are left out."""
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "\n".join(str(part["text"]) for part in content if part.get("type") == "text" and "text" in part)
    return content


_Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Message(BaseModel):
    """A message in OpenAI's shape; calls of tools and the like have other roles, or no text."""

    model_config = ConfigDict(frozen=True)

    role: Literal["user", "assistant", "system", "developer", "tool", "function"]
    content: Annotated[str, BeforeValidator(_text)] = ""


class _Turn(_Message):
    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    conversation_id: _Id
    content: Annotated[str, BeforeValidator(_text)]


class _Conversation(BaseModel):
    messages: list[_Message]


class Said(NamedTuple):
    """Something that was said, and on which line of the log."""

    by_user: bool
    text: str
    line: int


def read_conversations(name: str, lines: Iterable[bytes], consequence: str) -> list[list[Said]]:
    """Return what user and assistant said in each conversation, in the order of the lines; turns may be interleaved.

    :raises BadQuestions: with the number of the line that cannot be used.
    """
    read = JsonLines(name, lines, consequence)
    of_turns: dict[str, list[Said]] = {}
    conversations: list[list[Said]] = []
    for line, fields in read:
        if "messages" in fields:
            conversations.append(whole_conversation(read, fields, line))
        elif "role" in fields or "content" in fields:
            turn = read.parse(_Turn, fields, line)
            if turn.conversation_id not in of_turns:
                conversations.append(of_turns.setdefault(turn.conversation_id, []))
            if _counts(turn):
                of_turns[turn.conversation_id].append(_said(turn, line))
        else:
            what = 'has neither "messages" nor "conversation_id", "role" and "content"'
            raise read.broken(line, what, "write a turn or a conversation on the line")
    return conversations


def whole_conversation(read: JsonLines, fields: dict[str, object], line: int) -> list[Said]:
    """Return what user and assistant said in a conversation that is one line.

    :raises BadQuestions: with the number of the line, if it is no such conversation.
    """
    whole = read.parse(_Conversation, fields, line)
    return [_said(message, line) for message in whole.messages if _counts(message)]


def _counts(message: _Message) -> Any:
    return message.role in {"user", "assistant"} and message.content.strip()


def _said(message: _Message, line: int) -> Said:
    return Said(message.role == "user", message.content.strip(), line)
