"""Conversations to train on from files that a person has written or mended."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.example import PASSAGES, QUESTION, ChatExample, ExampleKind
from rag.chat.export import CONVERSATIONS
from rag.chat.extraction import example, share_of
from rag.chat.grounding import with_passages
from rag.pairs.conversations import Said, whole_conversation
from rag.pairs.json_lines import JsonLines, file_lines
from rag.pairs.pair import Split
from rag.pairs.words import normalize

_VALIDATING = 0.1
"""Share of a file's conversations that validate, where there is no file of such."""
_SHAPE = 'put one {"messages": [...]} on the line, whose user and assistant take turns and whose assistant ends it'


def read_dataset(path: Path) -> list[ChatExample]:
    """Return the conversations of a file of `{"messages": [...]}`, or of the folder of an export.

    A folder's conversations validate if they are in its file for that. Where there is none, a tenth validates, and only
    conversations whose answer others teach: nothing that the file says remains untaught. Passages may stand before a
    last question as in an export.

    :raises BadQuestions: with the number of the line that cannot be used, or if there is nothing to train on.
    """
    if not path.is_dir():
        return _with_validation(_read(path, Split.TRAIN))
    training, validating = (path / CONVERSATIONS[split] for split in (Split.TRAIN, Split.VALIDATION))
    if not validating.exists() or not validating.stat().st_size:
        return _with_validation(_read(training, Split.TRAIN))
    return [*_read(training, Split.TRAIN), *_read(validating, Split.VALIDATION)]


def _read(path: Path, split: Split) -> list[ChatExample]:
    read = JsonLines(str(path), file_lines(path), "nothing was trained")
    examples: list[ChatExample] = []
    for line, fields in read:
        if "messages" not in fields:
            raise read.broken(line, 'has no "messages"', _SHAPE)
        examples.append(_example(whole_conversation(read, fields, line), read, line, split))
    return examples


def _example(said: Sequence[Said], read: JsonLines, line: int, split: Split) -> ChatExample:
    turns = [each.by_user for each in said]
    if not said or turns != [True, False] * (len(said) // 2):
        raise read.broken(line, "is no conversation to learn from", _SHAPE)
    answer = said[-1].text
    refuses = normalize(answer) == normalize(NOT_IN_DOCUMENTS)
    told = ExampleKind.QUESTION if len(said) == 2 else ExampleKind.DIALOGUE
    fact = "" if refuses else hashlib.sha256(normalize(answer).encode()).hexdigest()[:16]
    passages, question = _parted(said[-2].text)
    texts = [*(each.text for each in said[:-2]), question, answer]
    asked = example(texts, ExampleKind.REFUSAL if refuses else told, split, fact)
    return with_passages(asked, passages) if passages else asked


def _parted(text: str) -> tuple[list[str], str]:
    """Return the passages that stand before a question, as a text model reads them, and the question."""
    begins, goes_on = f"{PASSAGES}\n- ", f"\n{QUESTION} "
    if not text.startswith(begins) or goes_on not in text:
        return [], text
    passages, _, question = text.removeprefix(begins).partition(goes_on)
    return passages.split("\n- "), question


def _with_validation(examples: Sequence[ChatExample]) -> list[ChatExample]:
    """Return the examples, of which some validate whose answer still is taught by another."""
    left = Counter(normalize(each.answer) for each in examples)
    done: list[ChatExample] = []
    for each in examples:
        answer = normalize(each.answer)
        if left[answer] > 1 and share_of(each.id) < _VALIDATING:
            left[answer] -= 1
            each = each.model_copy(update={"split": Split.VALIDATION})
        done.append(each)
    return done
