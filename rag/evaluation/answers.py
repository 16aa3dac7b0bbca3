"""Whole answers to questions whose right answers are known, or that nothing answers, and what these are worth."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from rag.answering.answer import Answer, Citation
from rag.corpus.document import Chunk
from rag.evaluation.agreement import token_f1
from rag.evaluation.report import Refusals
from rag.evaluation.sample import EvaluationSample, mean_scores, missing_scores, reference_samples
from rag.evaluation.string_metrics import score_answers
from rag.evaluation.way_report import F1, SUPPORT
from rag.llm.bill import Bill
from rag.pairs.pair import Origin, QueryPair, QuestionType
from rag.pairs.sentences import without_citations
from storage.artifacts import ArtifactRef
from storage.recipes import digest_json

CITATION_PRECISION = "citation precision"
"""Share of the citations that overlap the evidence; an answer that cites nothing has none."""
CITATION_RECALL = "citation recall"
"""Share of the places of the evidence, one or for a comparison two, that some citation overlaps."""
FIRST_CITATION = "first citation"
"""Whether the first citation overlaps the evidence: it is what people open."""
REFUSED = "refused"
"""Whether an answerable question was refused; the one metric of which less is better."""


class AskedQuestion(BaseModel):
    """A question that measures answers."""

    model_config = ConfigDict(frozen=True)

    sample: EvaluationSample
    """Not yet answered."""
    pair: QueryPair | None = None
    """With the place of its evidence; None where nobody has told it."""
    answerable: bool = True

    @classmethod
    def of_pair(cls, pair: QueryPair) -> "AskedQuestion":
        """Return the question of a pair."""
        (sample,) = reference_samples([pair], ())
        return cls(sample=sample, pair=pair)


class AnswerSet(BaseModel):
    """What is asked together."""

    model_config = ConfigDict(frozen=True)

    questions: tuple[AskedQuestion, ...]
    made_of: dict[str, ArtifactRef] = {}
    """By their part in it; with these go the answers too."""

    @property
    def digest(self) -> str:
        """The name of these questions."""
        return digest_json([question.model_dump(mode="json") for question in self.questions])


class GivenAnswer(BaseModel):
    """What was said to a question. It holds text."""

    model_config = ConfigDict(frozen=True)

    sample: EvaluationSample
    """With the answer, without citation marks, and the retrieved passages; without both if nobody answered."""
    citations: tuple[Citation, ...]
    answerable: bool


class AnswerResult(BaseModel):
    """What an answer is worth; ids and numbers only."""

    model_config = ConfigDict(frozen=True)

    id: str
    document: str
    """Where the evidence stands; empty where nobody knows."""
    origin: Origin | None
    question_type: QuestionType | None
    answerable: bool
    refused: bool
    generator: str | None
    """Who spoke; None if nobody was asked, because nothing was found, or nobody answered."""
    unanswered: bool = False
    """Nobody could answer this question, which is no refusal."""
    metrics: dict[str, float | None]
    """By name; None where the question lacks what the metric compares. Empty of what no document answers."""
    latency_ms: dict[str, float]
    """By step: memory, retrieval, first_piece, generation, total."""


class AnswersReport(BaseModel):
    """What a release answers to a set of questions, and what that took; ids and numbers only."""

    model_config = ConfigDict(frozen=True)

    evaluation_set: str
    """Digest of the questions."""
    answers: tuple[AnswerResult, ...]
    left_out: int
    """Questions of documents that the release does not have, or has in another version."""
    memory_bytes: int
    """By how much the process grew at most, from before the models and the index were opened to the last answer."""
    card_bytes: int | None
    """Of the card's memory, what was taken at most; None without a card."""
    bills: dict[str, Bill]
    """What the language models took that answered, by generator."""
    cost_usd: float | None
    """Of all of them; None if the price of one is not known."""

    def of(self, origin: Origin | None = None, question_type: QuestionType | None = None) -> list[AnswerResult]:
        """Return the results of answerable questions, of one origin and of one type if given."""
        return [
            answer
            for answer in self.answers
            if answer.answerable and origin in (None, answer.origin) and question_type in (None, answer.question_type)
        ]

    def means(self, origin: Origin | None = None, question_type: QuestionType | None = None) -> dict[str, float]:
        """Return the mean of each metric over the answerable questions that have a value."""
        return mean_scores(answer.metrics for answer in self.of(origin, question_type))

    def missing(self) -> dict[str, int]:
        """Return for each metric how many answerable questions have no value."""
        return missing_scores(answer.metrics for answer in self.of())

    @property
    def refusals(self) -> Refusals | None:
        """What became of the questions that no document answers; None if there were none."""
        asked, others = ([a.refused for a in self.answers if a.answerable is known] for known in (False, True))
        if not asked:
            return None
        return Refusals(asked=len(asked), refused=sum(asked), answerable=len(others), wrongly=sum(others))

    @property
    def generators(self) -> dict[str, int]:
        """Answers by who gave them, the most first."""
        return dict(Counter(answer.generator for answer in self.answers if answer.generator).most_common())

    @property
    def unanswered(self) -> int:
        """How many questions nobody could answer; those with a right answer are worth nothing."""
        return sum(answer.unanswered for answer in self.answers)

    def latency_ms(self, step: str, percentile: float) -> float:
        """Return a percentile of the time that a step took, over the answers that have it; 0 without any."""
        times = [answer.latency_ms[step] for answer in self.answers if step in answer.latency_ms]
        return round(float(np.percentile(times, percentile)), 1) if times else 0.0


def given_answers(
    questions: Sequence[AskedQuestion], answers: Sequence[Answer | None], chunks: Sequence[Chunk]
) -> list[GivenAnswer]:
    """Return what was said, each beside what should have been; `chunks` are those that were searched.

    :param answers: None where nobody could answer.
    """
    known = {sample.id: sample for sample in reference_samples([each.pair for each in questions if each.pair], chunks)}
    return [
        _given(question, known[question.pair.id] if question.pair else question.sample, answer)
        for question, answer in zip(questions, answers, strict=True)
    ]


def _given(question: AskedQuestion, sample: EvaluationSample, answer: Answer | None) -> GivenAnswer:
    if answer is None:
        return GivenAnswer(sample=sample, citations=(), answerable=question.answerable)
    said = {"answer": without_citations(answer.text), "contexts": tuple(hit.chunk.text for hit in answer.hits)}
    return GivenAnswer(
        sample=sample.model_copy(update=said), citations=answer.citations, answerable=question.answerable
    )


def answer_results(
    questions: Sequence[AskedQuestion], answers: Sequence[Answer | None], given: Sequence[GivenAnswer]
) -> tuple[AnswerResult, ...]:
    """Return what each answer is worth, by our own metrics and by those of ragas that need no language model.

    Not from within a running event loop.
    """
    scored = score_answers([each.sample for each in given if each.answerable])
    by_ragas = {each.id: each.metrics for each in scored.answers}
    return tuple(
        AnswerResult(
            id=question.sample.id,
            document=question.pair.document if question.pair else "",
            origin=question.pair.origin if question.pair else None,
            question_type=question.pair.question_type if question.pair else None,
            answerable=question.answerable,
            refused=answer is not None and not answer.found,
            generator=answer.generator if answer else None,
            unanswered=answer is None,
            metrics=_metrics(question, answer) | by_ragas[question.sample.id] if question.answerable else {},
            latency_ms={step: round(1000 * seconds, 2) for step, seconds in answer.timings.items()} if answer else {},
        )
        for question, answer in zip(questions, answers, strict=True)
    )


def _metrics(question: AskedQuestion, answer: Answer | None) -> dict[str, float | None]:
    reference, found = question.sample.reference, answer if answer and answer.found else None
    f1 = token_f1(without_citations(found.text), reference) if found else 0.0
    return {
        SUPPORT: found.support if found else None,
        **citation_metrics(answer.citations if answer else (), question.pair),
        F1: round(f1, 4) if reference else None,
        REFUSED: float(answer is not None and not answer.found),
    }


def citation_metrics(citations: Sequence[Citation], pair: QueryPair | None) -> dict[str, float | None]:
    """Return how well citations meet the evidence of a question; no values where its place is not known."""
    if pair is None:
        return dict.fromkeys((CITATION_PRECISION, CITATION_RECALL, FIRST_CITATION))
    meeting = [any(_overlaps(citation, *span) for span in pair.evidence) for citation in citations]
    met = [any(_overlaps(citation, *span) for citation in citations) for span in pair.evidence]
    return {
        CITATION_PRECISION: _share(meeting) if meeting else None,
        CITATION_RECALL: _share(met),
        FIRST_CITATION: float(bool(meeting) and meeting[0]),
    }


def _overlaps(citation: Citation, doc_id: str, start: int, end: int) -> bool:
    return citation.doc_id == doc_id and citation.char_start < end and start < citation.char_end


def _share(found: Iterable[bool]) -> float:
    return round(float(np.mean(list(found))), 4)
