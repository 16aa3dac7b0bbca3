"""Facts to teach: spans of the documents, each with the questions that ask for it and an answer that reads well."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.chat.example import ChatExample, ExampleKind, Message, Source
from rag.pairs.pair import QueryPair, Split
from rag.pairs.sentences import without_citations
from rag.pairs.words import normalize
from rag.pairs.writer import SyntheticQuestion

_COVERED = 0.5
"""Least share of a real question's evidence that a fact holds which answers it."""
_BEFORE = 400
"""Characters before a fact that belong to it."""
_END = (".", "!", "?", "…")
_RULE = re.compile(r"^[\s|:+-]+$")
"""The line below the head of a table."""


@dataclass(frozen=True)
class Asked:
    """A question with its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Fact:
    """A span of a document, and what is asked about it."""

    id: str
    source: Source
    asked: tuple[Asked, ...]
    trained: bool
    """Facts that are not are no answer to anything that is taught, to see what is made up of them."""
    second: tuple[str, int, int] | None = None
    """Document id and span of the other half of a comparison over two places."""

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Document id and span of each half."""
        first = (self.source.doc_id, self.source.char_start, self.source.char_end)
        return [first, self.second] if self.second else [first]


def extract_facts(
    questions: Iterable[SyntheticQuestion], texts: Mapping[str, str], kept_out: float, seed: int
) -> list[Fact]:
    """Return what the questions ask for, by document and place; two questions for one span are of one fact.

    Which facts are kept out is drawn from what they say, so that the same sentence in two documents is either taught or
    not. One to be kept out that shares a span with a taught one would be known in part: it is left out altogether. So
    is a comparison of two documents whose answer gives one half only.

    :param texts: the documents' extracted text, by document id.
    :param kept_out: share of the facts that are not taught.
    """
    facts: dict[str, Fact] = {}
    for each in questions:
        if each.second is None and len({chunk_id.rpartition(":")[0] for chunk_id in each.chunk_ids}) > 1:
            continue
        text = texts[each.doc_id]
        source = Source(
            doc_id=each.doc_id,
            document=each.document,
            char_start=each.answer_start,
            char_end=each.answer_end,
            before=_before(text, each.answer_start),
        )
        id_ = fact_id(source, each.second)
        asked = Asked(each.question, tidy(each.answer, text, each.answer_start))
        if id_ in facts:
            facts[id_] = replace(facts[id_], asked=(*facts[id_].asked, asked))
        else:
            said = normalize(text[each.answer_start : each.answer_end])
            facts[id_] = Fact(id_, source, (asked,), share_of(f"{seed}:{said}") >= kept_out, each.second)
    taught = Spans(fact for fact in facts.values() if fact.trained)
    kept = [fact for fact in facts.values() if fact.trained or not any(taught.touching(*span) for span in fact.spans)]
    return sorted(kept, key=lambda fact: (fact.source.document, fact.source.char_start, fact.source.char_end))


def fact_id(source: Source, second: tuple[str, int, int] | None = None) -> str:
    """Return 16 hex digits for a span, or for the two of a comparison."""
    key = f"{source.doc_id}:{source.char_start}:{source.char_end}:{second or ''}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def share_of(key: str) -> float:
    """Return a number from 0 to 1, below 1, that a key always gives."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


class Spans:
    """The facts whose spans share characters with a given one."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        """Sort the facts by document."""
        self._by_document: dict[str, list[tuple[int, int, Fact]]] = {}
        for fact in facts:
            for doc_id, start, end in fact.spans:
                self._by_document.setdefault(doc_id, []).append((start, end, fact))

    def touching(self, doc_id: str, start: int, end: int) -> list[tuple[int, Fact]]:
        """Return each fact with the number of characters shared."""
        shared = ((min(end, last) - max(start, first), fact) for first, last, fact in self._by_document.get(doc_id, ()))
        return [(n, fact) for n, fact in shared if n > 0]


def tidy(answer: str, text: str = "", start: int = 0) -> str:
    """Return an answer on one line, without marks of lists, Markdown and references, as a sentence.

    A row of a table, which begins at `start` of the document's `text`, names its columns. Nothing else is changed:
    these are the document's own words.
    """
    if "|" in answer:
        answer = _row_in_words(text, start) or answer
    line = without_citations(answer).rstrip(" ,;:|")
    first = line.partition(" ")[0]
    if first.islower() and first.isalpha():
        line = line[0].upper() + line[1:]
    return line if line.rstrip("\"'”’)]").endswith(_END) else f"{line}."


def _before(text: str, start: int) -> str:
    """Return the last words before an offset."""
    first = max(0, start - _BEFORE)
    words = text[first:start].split()
    return " ".join(words if first == 0 else words[1:])


def _row_in_words(text: str, start: int) -> str | None:
    """Return "column: value; column: value" for the row of a table at an offset; None if its columns have no names."""
    lines = (text[:start] + text[start:].partition("\n")[0]).split("\n")
    head = len(lines) - 1
    while head and "|" in lines[head - 1]:
        head -= 1
    names, values = _cells(lines[head]), _cells(lines[-1])
    if head == len(lines) - 1 or len(names) != len(values) or _RULE.match(lines[-1]):
        return None
    return "; ".join(f"{name}: {value}" if name else value for name, value in zip(names, values, strict=True) if value)


def _cells(row: str) -> list[str]:
    row = row.strip()
    bare = row[1:].removesuffix("|") if row.startswith("|") else row
    return [cell.strip() for cell in bare.split("|")]


def real_examples(questions: Sequence[QueryPair], facts: Sequence[Fact]) -> list[ChatExample]:
    """Return people's own questions as examples that only measure: is an answer right, and does the model know it.

    Those of an evaluation document evaluate, all others calibrate. One whose evidence is taught to less than half is
    neither of what the model knows nor of what it does not, and is left out.
    """
    spans = Spans(facts)
    examples: list[ChatExample] = []
    for pair in questions:
        length = pair.answer_end - pair.answer_start
        touching = spans.touching(pair.doc_id, pair.answer_start, pair.answer_end)
        answering = [(n, fact) for n, fact in touching if n >= _COVERED * length]
        best = max(answering, key=lambda found: (found[1].trained, found[0]), default=None)
        source = Source(
            doc_id=pair.doc_id, document=pair.document, char_start=pair.answer_start, char_end=pair.answer_end
        )
        knows = best is not None and best[1].trained
        if not knows and any(fact.trained for _, fact in touching):
            continue
        examples.append(
            example(
                [pair.anchor, tidy(pair.answer)],
                ExampleKind.QUESTION,
                Split.EVALUATION if pair.split is Split.EVALUATION else Split.VALIDATION,
                fact=best[1].id if best else fact_id(source),
                trained=knows,
                real=True,
                source=source,
            )
        )
    return examples


def example(said: Sequence[str], kind: ExampleKind, split: Split, fact: str = "", **fields: object) -> ChatExample:
    """Return the example of a conversation, which a person begins and the assistant ends."""
    turns = tuple(Message(role="assistant" if place % 2 else "user", content=text) for place, text in enumerate(said))
    key = "\x1f".join((kind, fact, *said))
    id_ = hashlib.sha256(key.encode()).hexdigest()[:16]
    return ChatExample.model_validate(
        {"id": id_, "messages": turns, "kind": kind, "split": split, "fact": fact, **fields}
    )
