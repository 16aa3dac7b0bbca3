"""Which language model judges answers, and how often. Imports no torch."""

from enum import StrEnum

from pydantic import Field

from rag.config.language_model import LanguageModelConfig


class JudgeProvider(StrEnum):
    """Where the judge runs; its key and address are settings."""

    NONE = "none"
    GROQ = "groq"
    OPENAI_COMPATIBLE = "openai-compatible"
    """Any endpoint that speaks OpenAI's chat completions, a model server on one's own machine too."""


class JudgeMetric(StrEnum):
    """What a judge can say of an answer, by the names that ragas gives it."""

    FAITHFULNESS = "faithfulness"
    """Share of the answer's statements that the retrieved passages bear out."""
    ANSWER_RELEVANCY = "answer_relevancy"
    """How near the questions that the answer would answer are to the one that was asked."""
    CONTEXT_PRECISION = "context_precision"
    """Average precision of the retrieved passages, useful to the reference answer or not."""
    CONTEXT_RECALL = "context_recall"
    """Share of the reference answer's statements that the retrieved passages bear out."""
    FACTUAL_CORRECTNESS = "factual_correctness"
    """F1 of the claims of the answer and those of the reference answer."""


class JudgeConfig(LanguageModelConfig):
    """A language model that judges answers. Each judgement of a question takes 1 to 5 requests, and is repeated."""

    provider: JudgeProvider = JudgeProvider.NONE
    temperature: float = Field(0.3, ge=0, le=2)
    """Above 0, so that repeated judgements show how sure the judge is."""
    requests_per_minute: int | None = Field(None, ge=1, exclude=True)
    """Any number unless given; at Groq 30, which a free key may."""
    repeats: int = Field(3, ge=1, le=20)
    """Times that each metric of each question is judged; two are the least that show a spread."""
    metrics: tuple[JudgeMetric, ...] = Field(tuple(JudgeMetric), min_length=1)
