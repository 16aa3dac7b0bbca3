"""Chat logs -> real questions: what people asked an assistant, and where its answers stand in the documents."""

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

from rag.pairs.alignment import AlignableDocument, Refusal
from rag.pairs.collection import import_questions, load_alignable
from rag.pairs.conversations import Said, read_conversations
from rag.pairs.follow_ups import self_contained
from rag.pairs.free_answers import free_evidence
from rag.pairs.questions_file import RealQuestion
from rag.pairs.small_talk import is_small_talk, without_greeting
from rag.pairs.words import normalize, words
from rag.workspace import Workspace

_MOST_WORDS = 100
"""Words of a question at most; what is longer was pasted."""


class HarvestSummary(BaseModel):
    """What became of a chat log."""

    model_config = ConfigDict(frozen=True)

    conversations: int
    imported: int
    duplicates: int
    small_talk: int
    rewritten: int
    """Follow-up questions made to stand alone; of those that were imported, of duplicates and of those refused."""
    refused: tuple[str, ...]
    """One line a question: where, and why."""


class _Asked(NamedTuple):
    """A question of a log with what was answered."""

    question: str
    """Standing alone; empty for a follow-up that cannot."""
    answer: str
    line: int
    rewritten: bool


def harvest(space: Workspace, collection: str, data: bytes | Iterable[bytes], source: str) -> HarvestSummary:
    """Keep the questions of a chat log whose answers stand in the collection's documents, all or none.

    `data` is the log or its lines, `source` what messages call it.

    :raises BadQuestions: with the number of the line that cannot be used; nothing is imported then.
    :raises EmptyCorpus: if the collection has no documents.
    """
    lines = BytesIO(data) if isinstance(data, bytes) else data
    conversations = read_conversations(source, lines, "nothing was imported")
    documents = load_alignable(space.artifacts, space.database, collection)
    asked: dict[tuple[str, str], _Asked] = {}
    n_asked = n_small_talk = 0
    refused: list[str] = []
    for conversation in conversations:
        n_small_talk += sum(said.by_user and is_small_talk(said.text) for said in conversation)
        for each in _answered(conversation):
            n_asked += 1
            if reason := _unusable(each):
                refused.append(f"{source} line {each.line}: {reason}")
            else:
                asked.setdefault((normalize(each.question), normalize(each.answer)), each)
    n_merged = n_asked - len(refused) - len(asked)
    questions: list[RealQuestion] = []
    for each in tqdm(asked.values(), desc="looking up answers", delay=2, disable=None):
        found = _tied(each, source, documents)
        if isinstance(found, Refusal):
            refused.append(f"{source} line {each.line}: {found.reason}")
        else:
            questions.append(found)
    kept = import_questions(space.database, space.sealer, collection, questions, documents)
    return HarvestSummary(
        conversations=len(conversations),
        imported=kept.imported,
        duplicates=kept.duplicates + n_merged,
        small_talk=n_small_talk,
        rewritten=sum(each.rewritten for each in asked.values()),
        refused=(*refused, *kept.refused),
    )


def _answered(conversation: list[Said]) -> Iterator[_Asked]:
    """Yield the questions that the assistant answered; what it said in several messages is one answer."""
    earlier: list[str] = []
    for place, said in enumerate(conversation):
        if not said.by_user or is_small_talk(said.text):
            continue
        plain = without_greeting(said.text)
        question = self_contained(plain, earlier)
        if question is not None:
            earlier.append(question)
        answer: list[str] = []
        for reply in conversation[place + 1 :]:
            if reply.by_user:
                break
            answer.append(reply.text)
        if answer:
            rewritten = question is not None and normalize(question) != normalize(plain)
            yield _Asked(question or "", "\n".join(answer), said.line, rewritten)


def _unusable(asked: _Asked) -> str | None:
    if not asked.question:
        return "it follows up on something that was not said before"
    if (n_words := len(words(asked.question))) > _MOST_WORDS:
        return f"it has {n_words} words, which is no question but a text"
    return None


def _tied(asked: _Asked, source: str, documents: Mapping[str, AlignableDocument]) -> RealQuestion | Refusal:
    """Return a question with the words of the documents as its answer."""
    question = RealQuestion(id=f"{source}:{asked.line}", question=asked.question, answer=asked.answer, line=asked.line)
    found = free_evidence(question, documents)
    if isinstance(found, Refusal):
        return found
    place = {"document": found.document, "answer_start": found.answer_start, "answer_end": found.answer_end}
    quoted = documents[found.doc_id].text[found.answer_start : found.answer_end]
    return question.model_copy(update={**place, "answer": quoted})
