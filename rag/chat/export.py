"""Training data of a chat model as plain files that a person asked for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rag.chat.example import ChatExample, Message
from rag.pairs.pair import Split
from storage.plain_files import write_plain_files

CONVERSATIONS = {Split.TRAIN: "conversations.jsonl", Split.VALIDATION: "conversations_validation.jsonl"}
"""The files that other trainers read, and that can be read back."""


def export_chat_data(folder: Path, examples: Sequence[ChatExample], stats: Mapping[str, object]) -> dict[str, Path]:
    """Write the examples, their statistics and the conversations into a folder; return the paths by file name.

    `faiss_training_data.json` holds all examples, of each split; the conversations are `{"messages": [...]}`, one a
    line, for training and for validation, of the facts that are taught; passages stand in the question's text. All
    files have mode 0600, and all are written or none.

    :raises StorageError: if the folder cannot be written.
    """
    contents: dict[str, Iterable[str]] = {
        "faiss_training_data.json": _json([_fields(example) for example in examples]),
        "training_stats.json": _json(stats),
    }
    for split, name in CONVERSATIONS.items():
        contents[name] = [_conversation(each) for each in examples if each.split is split and each.trained]
    return write_plain_files(folder, contents)


def _fields(example: ChatExample) -> dict[str, object]:
    *earlier, question, answer = example.messages
    fields: dict[str, object] = {
        "id": example.id,
        "question": question.content,
        "answer": answer.content,
        "kind": example.kind.value,
        "split": example.split.value,
        "fact": example.fact,
        "trained": example.trained,
        "real": example.real,
    }
    if question.passages:
        fields["passages"] = list(question.passages)
    if earlier:
        fields["conversation"] = [_turn(turn) for turn in earlier]
    if example.source:
        fields |= example.source.model_dump(include={"document", "char_start", "char_end"})
    return fields


def _conversation(example: ChatExample) -> str:
    return json.dumps({"messages": [_turn(turn) for turn in example.messages]}, ensure_ascii=False) + "\n"


def _turn(turn: Message) -> dict[str, str]:
    return {"role": turn.role, "content": turn.text}


def _json(value: object) -> Iterable[str]:
    yield from json.JSONEncoder(ensure_ascii=False, indent=1).iterencode(value)
    yield "\n"
