"""Asks a chat model or an engine questions whose answers are known, and scores what they say."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rag.answering.answer import Question, Turn, Way
from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.answering.support import Support
from rag.chat.example import ChatExample, Message
from rag.config import ChatGenerationConfig
from rag.corpus.document import DocumentText
from rag.evaluation.agreement import exact_match, token_f1
from rag.evaluation.asked import Group
from rag.evaluation.asking import Reply, ask_all
from rag.evaluation.way_report import AnsweredQuestion
from rag.pairs.sentences import paragraphs, split_sentences, without_citations

if TYPE_CHECKING:
    from rag.answering.engine import Engine
    from rag.chat.model import ChatModel

_BORNE_OUT = 0.5
"""Support from which a sentence is not made up."""


class Said(NamedTuple):
    """What came back for a question."""

    text: str
    """Empty if nobody answered, which is worth nothing anywhere: it is no refusal."""
    way: Way
    confidence: float | None = None
    latency_ms: float | None = None


def ask_chat_model(
    model: "ChatModel", examples: Sequence[ChatExample], generation: ChatGenerationConfig, n_timed: int
) -> list[Said]:
    """Return what a chat model says from memory, in batches; `n_timed` of the questions are asked alone too."""
    told = [_told(example) for example in examples]
    completions = model.complete(told, generation)
    latencies = dict.fromkeys(range(len(told)), None) | _latencies(model, told, generation, n_timed)
    return [
        Said(completion.text, Way.CLOSED_BOOK, completion.confidence, latencies[place])
        for place, completion in enumerate(completions)
    ]


def ask_engine(engine: "Engine", examples: Sequence[ChatExample]) -> list[Said]:
    """Return what an engine answers, one question at a time.

    :raises NoGenerator: if nobody answers from passages: an outage must not pass for a bad answer.
    """
    return [_said(engine, reply) for reply in ask_all(engine, [_question(example) for example in examples])]


def scored(
    asked: Sequence[tuple[Group, ChatExample]],
    said: Sequence[Said],
    texts: Mapping[str, DocumentText],
    support: Support,
) -> tuple[AnsweredQuestion, ...]:
    """Return what each answer is worth; `texts` are those that the examples' sources stand in, by document id."""
    return tuple(
        _scored(group, example, own, _source(example, texts), support)
        for (group, example), own in zip(asked, said, strict=True)
    )


def _told(example: ChatExample) -> list[Message]:
    """Return the conversation up to the answer."""
    return list(example.messages[:-1])


def _latencies(
    model: "ChatModel", told: Sequence[Sequence[Message]], generation: ChatGenerationConfig, n_timed: int
) -> dict[int, float | None]:
    """Return the time in ms to the whole answer of some questions, evenly spread, by their places."""
    found: dict[int, float | None] = {}
    for place in range(0, len(told), -(-len(told) // n_timed)):
        began = time.perf_counter()
        for _ in model.stream(told[place], generation):
            pass
        found[place] = _ms_since(began)
    return found


def _question(example: ChatExample) -> Question:
    *earlier, asked = _told(example)
    history = tuple(Turn(role=turn.role, content=turn.content) for turn in earlier)
    return Question(text=asked.content, history=history)


def _said(engine: "Engine", reply: Reply) -> Said:
    if reply.answer is None:
        return Said("", engine.way, latency_ms=reply.latency_ms)
    return Said(reply.answer.text, reply.answer.way, latency_ms=reply.latency_ms)


def _ms_since(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 2)


def _scored(group: Group, example: ChatExample, said: Said, source: str, support: Support) -> AnsweredQuestion:
    question, text = example.messages[-2].content, without_citations(said.text)
    refused = text.startswith(NOT_IN_DOCUMENTS)
    if group is Group.UNANSWERABLE or refused or not text:
        right = float(refused and group is Group.UNANSWERABLE)
        f1, exact, supported, made_up = right, right, right, bool(text) and not refused
    else:
        f1, exact = token_f1(text, example.answer), exact_match(text, example.answer)
        sentences = [each for paragraph in paragraphs(said.text) for each in split_sentences(paragraph)]
        by_source = [support.of(sentence, source, question) for sentence in sentences]
        by_answer = [support.of(sentence, example.answer, question) for sentence in sentences]
        supported, made_up = sum(by_source) / len(sentences), max(by_source + by_answer) < _BORNE_OUT
    return AnsweredQuestion(
        id=example.id,
        group=group,
        document=example.source.document if example.source else "",
        question=question,
        expected=example.answer,
        said=said.text,
        way=said.way,
        f1=round(f1, 4),
        exact=exact,
        support=round(supported, 4),
        made_up=made_up,
        confidence=said.confidence,
        latency_ms=said.latency_ms,
    )


def _source(example: ChatExample, texts: Mapping[str, DocumentText]) -> str:
    """Return the text of the span that an example is from."""
    source = example.source
    return texts[source.doc_id].text[source.char_start : source.char_end] if source else ""
