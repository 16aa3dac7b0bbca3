"""What a question reminds of: the taught fact whose answer is nearest to it, by a question encoder.

The bundled chat model has learned no language but the documents', so it is not told the question in the asker's words
but as the fact that the encoder, which has, recognizes in it: as a token for each fact, which the small GPT-2 has
learned to put into words. So a differentiable search index answers with document ids (Tay et al. 2022).
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from rag.answering.prompts import NOT_IN_DOCUMENTS
from rag.chat.bundled import NO_FACT, fact_token
from rag.chat.example import ChatExample, ExampleKind, Message
from rag.embedding.encoder import Encoder
from rag.embedding.vectors import Vectors
from rag.pairs.follow_ups import resolved_question
from rag.pairs.pair import Split

_FOLDER, _ENCODER, _KEYS, _FACTS = "recall", "encoder", "keys.safetensors", "recall.json"
_SCALE = 20.0
"""What cosines are multiplied by before their softmax, as in the encoder's training."""
_MAX_REFUSED = 0.05
"""Share of the answerable questions that may be taken to be about no fact; the confidence tells more of the others."""
_HELD = 0.6
"""Cosine from which a passage may be what a fact says."""


class Taught(NamedTuple):
    """An answer that was taught, and the document that it is of."""

    title: str
    answer: str

    @property
    def passage(self) -> str:
        """What the encoder reads."""
        return f"{self.title}: {self.answer}" if self.title else self.answer


class Recalled(NamedTuple):
    """What a question reminds of."""

    fact: int | None
    """The number of the fact; None if the question is like none."""
    cosine: float
    certainty: float
    """0 to 1: the share of the fact, or of none, in a softmax over all."""


class Recall:
    """Recognizes taught facts; several threads may use it at once."""

    def __init__(self, encoder_folder: Path, keys: Vectors, least: float, query_prompt: str = "") -> None:
        """Take float32 (n_facts, dim), L2-normalized, and the cosine below which a question is about none of them."""
        self._folder, self._keys, self._least, self._prompt = encoder_folder, keys, least, query_prompt
        self._encoder = Encoder(encoder_folder, query_prompt)

    @classmethod
    def of(
        cls, encoder_folder: Path, facts: Sequence[Taught], held_back: Sequence[ChatExample], query_prompt: str = ""
    ) -> "Recall":
        """Learn the facts by their numbers, and from validation examples when a question is about none of them."""
        keys = Encoder(encoder_folder, query_prompt).encode_passages([fact.passage for fact in facts])
        recall = cls(encoder_folder, keys, -1.0, query_prompt)
        recalled = recall.recalled([example.messages[:-1] for example in held_back])
        return cls(encoder_folder, keys, _least_cosine(held_back, recalled), query_prompt)

    @classmethod
    def load(cls, model: Path) -> "Recall | None":
        """Open what was saved with a model; None if that reads questions itself.

        :raises OSError, ValueError, KeyError: if it is damaged.
        """
        folder = model / _FOLDER
        if not folder.is_dir():
            return None
        facts = json.loads((folder / _FACTS).read_bytes())
        return cls(folder / _ENCODER, load_file(folder / _KEYS)["keys"], facts["least_cosine"], facts["query_prompt"])

    def save(self, model: Path) -> None:
        """Save it beside a model."""
        folder = model / _FOLDER
        shutil.copytree(self._folder, folder / _ENCODER, ignore=shutil.ignore_patterns("runs", "README.md"))
        save_file({"keys": self._keys}, folder / _KEYS)
        facts = {"least_cosine": self._least, "query_prompt": self._prompt}
        (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def recalled(self, conversations: Sequence[Sequence[Message]]) -> list[Recalled]:
        """Return what the last message of each conversation reminds of; of its passages, if it has any."""
        questions = self._encoder.encode_queries([asked(messages) for messages in conversations])
        cosines = questions @ self._keys.T
        return [
            self._recalled(row if not messages[-1].passages else self._held(row, messages[-1].passages))
            for row, messages in zip(cosines, conversations, strict=True)
        ]

    def heard(self, conversation: Sequence[Message]) -> tuple[list[Message], float]:
        """Return a conversation as the bundled model is told it, and how certain it is that this was asked."""
        (recalled,) = self.recalled([conversation])
        return [told(recalled.fact)], recalled.certainty

    def _held(self, cosines: Vectors, passages: Sequence[str]) -> Vectors:
        """Return the cosines of those facts alone that the passages may hold; of all if they hold none."""
        near = (self._encoder.encode_passages(passages) @ self._keys.T).max(axis=0)
        held = near >= _HELD
        return np.where(held, cosines, np.float32(-1.0)) if held.any() else cosines

    def _recalled(self, cosines: Vectors) -> Recalled:
        """Choose the nearest fact, or none."""
        best = int(cosines.argmax())
        highest = float(cosines[best])
        all_ = np.exp(_SCALE * (np.append(cosines, self._least) - max(highest, self._least)))
        return Recalled(best if highest >= self._least else None, highest, float(all_.max() / all_.sum()))


def taught_facts(learned: Sequence[ChatExample]) -> list[Taught]:
    """Return each answer of the training examples once, in their order, without refusals."""
    return list(dict.fromkeys(taught(each) for each in learned if each.kind is not ExampleKind.REFUSAL))


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
    document = example.source.document if example.source else ""
    return Taught(PurePath(document).stem.replace("-", " ").replace("_", " "), example.answer)


def asked(messages: Sequence[Message]) -> str:
    """Return the last question as it reads alone."""
    *earlier, question = (message.content for message in messages if message.role == "user")
    return resolved_question(question, earlier)


def _least_cosine(examples: Sequence[ChatExample], recalled: Sequence[Recalled]) -> float:
    """Return the cosine below which few answerable questions of each kind lie; -1 without refusals to tell apart.

    Where all refusals lie below that, it is halfway to them: people's words are further from a fact than most of these.
    """
    groups: defaultdict[tuple[ExampleKind, bool], list[float]] = defaultdict(list)
    for example, found in zip(examples, recalled, strict=True):
        groups[example.kind, example.real].append(found.cosine)
    refusing = [max(cosines) for (kind, _), cosines in groups.items() if kind is ExampleKind.REFUSAL]
    answering = [cosines for (kind, _), cosines in groups.items() if kind is not ExampleKind.REFUSAL]
    if not refusing or not answering:
        return -1.0
    least = min(float(np.quantile(each, _MAX_REFUSED)) for each in answering)
    return (least + min(least, *refusing)) / 2


def _example(question: Message, answer: str, kind: ExampleKind) -> ChatExample:
    messages = (question, Message(role="assistant", content=answer))
    return ChatExample(id=question.content, messages=messages, kind=kind, split=Split.TRAIN, fact=question.content)
