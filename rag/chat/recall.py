"""What a question reminds of: the taught fact that is nearest to it, by a question encoder and by the words of both.

The bundled chat model has learned no language but the documents', so it is not told the question in the asker's words
but as the fact that the encoder, which has, recognizes in it: as a token for each fact, which the small GPT-2 has
learned to put into words. So a differentiable search index answers with document ids (Tay et al. 2022).
"""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.bundled import NO_FACT, fact_token
from rag.chat.example import ChatExample, ExampleKind, Message
from rag.embedding.encoder import Encoder
from rag.embedding.vectors import Vectors
from rag.pairs.follow_ups import resolved_question
from rag.pairs.pair import Split
from rag.pairs.words import normalize
from rag.retrieval.lexical import Bm25s

_FOLDER, _ENCODER, _FACTS, _WORDS = "recall", "encoder", "facts.safetensors", "words.npz"
_SHARED_WORDS = 0.15
"""What the fact that shares most with the question by BM25 gets on top of its cosine; others get as much less."""
_SCALE = 20.0
"""What cosines are multiplied by before their softmax, as in the encoder's training."""
_MAX_REFUSED = 0.05
"""Share of the answerable questions that may be taken to be about no fact; the confidence tells more of the others."""
_FEW = 20
"""Questions of a kind below which one odd one would decide; where all kinds have fewer, they do."""
_HELD = 0.6
"""Cosine from which a passage may be what a fact says."""


class Taught(NamedTuple):
    """An answer that was taught, and the document that it is of."""

    title: str
    answer: str
    before: str = ""

    @property
    def passage(self) -> str:
        """What the encoder reads."""
        return f"{self.title}: {self.answer}" if self.title else self.answer

    @property
    def words(self) -> str:
        """What a question may share words with."""
        return f"{self.title} {self.before} {self.answer}"


class Recalled(NamedTuple):
    """What a question reminds of."""

    fact: int | None
    """The number of the fact; None if the question is like none."""
    cosine: float
    """The highest of any fact."""
    certainty: float
    """0 to 1: the share of the facts of this answer, or of none, in a softmax over how near all are."""


class _Known(NamedTuple):
    """What questions are compared with."""

    keys: Vectors
    """float32 (n_facts, dim), L2-normalized."""
    words: Bm25s
    answers: NDArray[np.int64]
    """(n_facts,); facts that say the same have the same number."""


class Recall:
    """Recognizes taught facts; several threads may use it at once."""

    def __init__(self, encoder_folder: Path, encoder: Encoder, known: "_Known", least: float) -> None:
        """Take the encoder that a folder holds, what it compares questions with, and when none of that is meant.

        :param least: cosine below which a question is about no fact.
        """
        self._folder, self._encoder, self._known, self._least = encoder_folder, encoder, known, least

    @classmethod
    def of(cls, encoder_folder: Path, facts: Sequence[Taught], held_back: Sequence[ChatExample]) -> "Recall":
        """Learn the facts by their numbers, and from validation examples when a question is about none of them."""
        encoder, numbers = Encoder(encoder_folder), dict[str, int]()
        known = _Known(
            keys=encoder.encode_passages([fact.passage for fact in facts]),
            words=Bm25s.build([fact.words for fact in facts]),
            answers=np.array([numbers.setdefault(normalize(fact.answer), len(numbers)) for fact in facts]),
        )
        recalled = cls(encoder_folder, encoder, known, -1.0).recalled([each.messages[:-1] for each in held_back])
        return cls(encoder_folder, encoder, known, _least_cosine(held_back, recalled))

    @classmethod
    def load(cls, model: Path) -> "Recall | None":
        """Open what was saved with a model; None if that reads questions itself.

        :raises OSError, ValueError, KeyError: if it is damaged; zlib.error, BadZipFile: if its words are.
        """
        folder = model / _FOLDER
        if not folder.is_dir():
            return None
        arrays, words = load_file(folder / _FACTS), Bm25s.from_bytes((folder / _WORDS).read_bytes())
        known = _Known(arrays["keys"], words, arrays["answers"])
        return cls(folder / _ENCODER, Encoder(folder / _ENCODER), known, float(arrays["least_cosine"][0]))

    def save(self, model: Path) -> None:
        """Save it beside a model."""
        folder = model / _FOLDER
        shutil.copytree(self._folder, folder / _ENCODER, ignore=shutil.ignore_patterns("runs", "README.md"))
        known, least = self._known, np.array([self._least])
        save_file({"keys": known.keys, "answers": known.answers, "least_cosine": least}, folder / _FACTS)
        (folder / _WORDS).write_bytes(self._known.words.to_bytes())

    def recalled(self, conversations: Sequence[Sequence[Message]]) -> list[Recalled]:
        """Return what the last message of each conversation reminds of; of its passages, if it has any."""
        questions = [asked(messages) for messages in conversations]
        cosines = self._encoder.encode_queries(questions) @ self._known.keys.T
        return [
            self._recalled(self._held(row, messages[-1].passages), self._shared(question))
            for row, question, messages in zip(cosines, questions, conversations, strict=True)
        ]

    def heard(self, conversations: Sequence[Sequence[Message]]) -> list[tuple[Sequence[Message], float]]:
        """Return conversations as the bundled model is told them, and how certain it is that this was asked."""
        return [([told(found.fact)], found.certainty) for found in self.recalled(conversations)]

    def _shared(self, question: str) -> Vectors:
        """Return what shared words add for each fact."""
        scores = self._known.words.scores(question)
        highest = float(scores.max())
        return np.asarray(scores * (_SHARED_WORDS / highest) if highest else scores)

    def _held(self, cosines: Vectors, passages: Sequence[str]) -> Vectors:
        """Return the cosines of those facts alone that the passages may hold; of all if they hold none."""
        if not passages:
            return cosines
        held = (self._encoder.encode_passages(passages) @ self._known.keys.T).max(axis=0) >= _HELD
        return np.where(held, cosines, np.float32(-1.0)) if held.any() else cosines

    def _recalled(self, cosines: Vectors, shared: Vectors) -> Recalled:
        """Choose the nearest fact, or none if even the highest cosine is too low: words are shared with any question.

        None is as near as the least cosine and the words that the nearest fact shares.
        """
        best, highest = int((cosines + shared).argmax()), float(cosines.max())
        none = np.float32(self._least) + shared[best]
        near = np.append(cosines + shared, none)
        fact = best if highest >= self._least else None
        share = np.exp(_SCALE * (near - near.max()))
        own = share[-1] if fact is None else share[:-1][self._known.answers == self._known.answers[best]].sum()
        return Recalled(fact, highest, float(own / share.sum()))


def taught_facts(learned: Sequence[ChatExample]) -> list[Taught]:
    """Return each answer of the training examples once, in their order, without refusals."""
    facts: dict[str, Taught] = {}
    for each in learned:
        if each.fact:
            facts.setdefault(taught(each).passage, taught(each))
    return list(facts.values())


def by_heart(facts: Sequence[Taught]) -> list[ChatExample]:
    """Return what the bundled model learns: to say each fact by its token, and that there is none."""
    said = [(told(number), fact.answer, ExampleKind.QUESTION) for number, fact in enumerate(facts)]
    said.append((told(None), NOT_IN_DOCUMENTS, ExampleKind.REFUSAL))
    return [_example(question, answer, kind) for question, answer, kind in said]


def told(fact: int | None) -> Message:
    """Return a question as the bundled model is told it."""
    return Message(role="user", content=NO_FACT if fact is None else fact_token(fact))


def taught(example: ChatExample) -> Taught:
    """Return what an example teaches."""
    document, before = (example.source.document, example.source.before) if example.source else ("", "")
    return Taught(PurePath(document).stem.replace("-", " ").replace("_", " "), example.answer, before)


def asked(messages: Sequence[Message]) -> str:
    """Return the last question as it reads alone."""
    *earlier, question = (message.content for message in messages if message.role == "user")
    return resolved_question(question, earlier)


def _least_cosine(examples: Sequence[ChatExample], recalled: Sequence[Recalled]) -> float:
    """Return the cosine below which few answerable questions of each kind lie; -1 without refusals to tell apart.

    Where all refusals lie below that, it is halfway to them: people's words are further from a fact than most of these.
    """
    refusing = [found.cosine for example, found in zip(examples, recalled, strict=True) if not example.fact]
    answering: defaultdict[tuple[ExampleKind, bool], list[float]] = defaultdict(list)
    for example, found in zip(examples, recalled, strict=True):
        if example.fact:
            answering[example.kind, example.real].append(found.cosine)
    if not refusing or not answering:
        return -1.0
    telling = [own for own in answering.values() if len(own) >= _FEW] or list(answering.values())
    least = min(float(np.quantile(own, _MAX_REFUSED)) for own in telling)
    return (least + min(least, max(refusing))) / 2


def _example(question: Message, answer: str, kind: ExampleKind) -> ChatExample:
    messages = (question, Message(role="assistant", content=answer))
    return ChatExample(id=question.content, messages=messages, kind=kind, split=Split.TRAIN, fact=question.content)
