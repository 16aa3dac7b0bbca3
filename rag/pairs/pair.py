"""The training example: a question and the span of a document that answers it."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class QuestionType(StrEnum):
    """What a question asks for."""

    FACTUAL = "factual"
    ANALYTICAL = "analytical"
    COMPARATIVE = "comparative"


class Origin(StrEnum):
    """Where a pair comes from."""

    REAL = "real"
    SYNTHETIC = "synthetic"
    FEEDBACK = "feedback"


class Split(StrEnum):
    """What a pair may be used for. A document's questions all lie in one split."""

    TRAIN = "train"
    VALIDATION = "validation"
    EVALUATION = "evaluation"


class QueryPair(BaseModel):
    """A question and its evidence, which is a span of a document and so outlives any chunking."""

    model_config = ConfigDict(frozen=True)

    id: str
    anchor: str
    """The question."""
    answer: str
    """The answer as it stands in the document, or as a person gave it."""
    doc_id: str
    document: str
    answer_start: int
    answer_end: int
    """Character offsets of the evidence in the document's extracted text; `answer_end` is exclusive."""
    second: tuple[str, int, int] | None = None
    """Document id and span of the other half of the evidence, for a comparison over two places."""
    question_type: QuestionType
    origin: Origin
    split: Split
    group: str
    """The near-duplicate group of the document; groups never straddle splits."""
    positive: str = ""
    """The passage to learn from: the window around the evidence, about as long as the encoder sees."""
    negatives: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[tuple[str, int, int], ...]:
        """The spans of its evidence, each with its document's id."""
        first = (self.doc_id, self.answer_start, self.answer_end)
        return (first, self.second) if self.second else (first,)

    @property
    def doc_ids(self) -> tuple[str, ...]:
        """The documents that its evidence stands in."""
        return tuple(doc_id for doc_id, _, _ in self.evidence)
