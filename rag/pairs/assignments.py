"""What a language model is to write about a chunk, or about two: how many questions of which type."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rag.config import SynthesisConfig
from rag.corpus.document import Chunk
from rag.pairs.pair import QuestionType
from rag.pairs.sentences import split_sentences
from rag.pairs.words import words
from rag.pairs.writer import SyntheticQuestion

_MIN_WORDS, _WORDS_A_QUESTION = 12, 25
"""Words of a chunk from which it is asked about, and how many more make another question."""
_MIN_PASSAGE_CHARS = 200
"""A passage is not cut below this to fit a limit; it is refused."""


@dataclass
class Assignment:
    """What is wanted of the passages, and what has come of it."""

    chunks: tuple[Chunk, ...]
    passages: tuple[str, ...]
    """Of each chunk the text that is shown."""
    wanted: Counter[QuestionType]
    turn: int = 1
    written: list[SyntheticQuestion] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Questions that could not be used, each with the reason."""

    @property
    def missing(self) -> Counter[QuestionType]:
        """What is wanted and not written yet."""
        return self.wanted - Counter(question.question_type for question in self.written)

    def parts(self) -> "list[Assignment]":
        """Return it as smaller ones: half of the passage each, with its share of the questions; none if that is small.

        A single question, and a comparison, are asked over the beginnings.
        """
        halves = [_halves(text) for text in self.passages]
        if any(len(first) < _MIN_PASSAGE_CHARS for first, _ in halves):
            return []
        missing = list(self.missing.elements())
        if len(missing) == 1 or len(halves) > 1:
            return [replace(self, passages=tuple(first for first, _ in halves))]
        cut = (len(missing) + 1) // 2
        first, second = halves[0]
        done = Counter(question.question_type for question in self.written)
        return [
            replace(self, passages=(first,), wanted=Counter(missing[:cut]) + done),
            Assignment(self.chunks, (second,), Counter(missing[cut:]), self.turn),
        ]


def assigned(chunk: Chunk, config: SynthesisConfig) -> Assignment | None:
    """Return what a chunk is asked for, None if nothing.

    It depends on the chunk alone, so that other documents change no prompt that was paid.
    """
    n_words = len(words(chunk.text))
    n_questions = min(config.questions_per_chunk, max(1, n_words // _WORDS_A_QUESTION))
    if n_words < _MIN_WORDS or not n_questions:
        return None
    digest = hashlib.sha256(f"{config.seed}:{chunk.text}".encode()).digest()
    draw = int.from_bytes(digest[:6]) / 2**48
    analytical = min(n_questions, int(n_questions * config.analytical_share + draw))
    wanted = {QuestionType.FACTUAL: n_questions - analytical, QuestionType.ANALYTICAL: analytical}
    return Assignment((chunk,), (chunk.text,), Counter({kind: n for kind, n in wanted.items() if n}))


def comparison(one: Chunk, other: Chunk, config: SynthesisConfig) -> Assignment:
    """Return a comparison to ask for, once: what two chunks do not give at once, others will."""
    wanted = Counter({QuestionType.COMPARATIVE: 1})
    return Assignment((one, other), (one.text, other.text), wanted, turn=config.rounds)


def _halves(text: str) -> tuple[str, str]:
    """Cut a text in two, after a sentence near its middle if there is one."""
    sentences = list(_sentences(text))
    cut, length = 0, 0
    while cut < len(sentences) - 1 and length < len(text) / 2:
        length += len(sentences[cut]) + 1
        cut += 1
    if cut:
        return "\n".join(sentences[:cut]), "\n".join(sentences[cut:])
    middle = text.rfind(" ", 0, len(text) // 2 + 1)
    middle = middle if middle > 0 else len(text) // 2
    return text[:middle], text[middle:].strip()


def _sentences(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield from split_sentences(line)
