"""The chat model: its training data, its training, and how it speaks. Imports no torch."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from rag.config.stage import Stage
from rag.config.training import EmbeddingConfig

BUNDLED = "bundled"
"""The base that needs no download."""
GROUNDED_PASSAGES = 5
"""Sentences that are given with a question to a chat model that is to answer from them."""


class ChatMethod(StrEnum):
    """Which weights are trained."""

    FULL = "full"
    LORA = "lora"
    """Low-rank adapters on weights in full precision."""
    QLORA = "qlora"
    """Low-rank adapters on weights in 4 bit (nf4), through bitsandbytes."""


class ChatDataConfig(Stage):
    """What the chat model is taught."""

    pairs_per_chunk: int = Field(4, ge=1, le=10)
    """Questions that are written for a chunk."""
    augment: bool = True
    """Whether each question is varied; without, a small model knows a fact only in the words it was asked in."""
    variations: int = Field(10, ge=0, le=50)
    """Other phrasings of each question, with `augment`."""
    kept_out: float = Field(0.1, ge=0, lt=1)
    """Share of the facts that are never trained."""
    held_out_variations: int = Field(2, ge=0)
    """Of each question's variations, those that only measure: one half validates, the other evaluates."""
    dialogue_share: float = Field(0.1, ge=0, le=1)
    """Follow-ups for so many of the facts."""
    refusal_share: float = Field(0.1, ge=0, lt=1)
    """Refusals among the training examples."""
    grounded_share: float = Field(0.2, ge=0, lt=1)
    """Of the training examples, those with sentences of the documents beside the question."""
    grounded_passages: int = Field(GROUNDED_PASSAGES, ge=1, le=20)
    """Sentences beside a question: its own, and others that distract."""
    grounded_without: float = Field(0.2, ge=0, le=1)
    """Of the questions with sentences, those without their own, which have to be remembered."""
    seed: int = 13


class QuestionEncoderConfig(EmbeddingConfig):
    """Training the encoder by which the bundled model hears questions."""

    epochs: int = Field(1, ge=1)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(3e-5, gt=0)
    token_weight: float = Field(0.0, ge=0)
    checkpoints: int = Field(3, ge=1)
    negatives: int = Field(0, ge=0, le=16)
    merge_weights: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((0.8,), min_length=1)
    """The untuned weights know more of the words in which people ask (Wortsman et al. 2022)."""


class ChatTrainingConfig(Stage):
    """Training the chat model."""

    base: str = BUNDLED
    """bundled: a small GPT-2 with a tokenizer trained on the collection's text, told by an encoder what is asked for;
    else a name on the hub or a folder."""
    method: ChatMethod = ChatMethod.FULL
    layers: int = Field(4, ge=1)
    width: int = Field(256, ge=32)
    heads: int = Field(8, ge=1)
    vocabulary: int = Field(4000, ge=300)
    """Size of the bundled model, and of its tokenizer."""
    question_encoder: QuestionEncoderConfig = QuestionEncoderConfig()
    max_length: int = Field(256, ge=32)
    """Tokens of a packed sequence."""
    epochs: int = Field(15, ge=1)
    """At least; a small collection gets as many more as `min_steps` wants."""
    min_steps: int = Field(700, ge=1)
    max_steps: int = -1
    batch_size: int = Field(8, ge=1)
    """Packed sequences in memory at a time; halved when they do not fit."""
    accumulation: int = Field(1, ge=1)
    """Batches to a step."""
    learning_rate: float = Field(1e-3, gt=0)
    schedule: str = Field("cosine", pattern="^(cosine|linear|constant)$")
    warmup_ratio: float = Field(0.03, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    lora_rank: int = Field(16, ge=1)
    lora_alpha: int = Field(32, ge=1)
    lora_dropout: float = Field(0.05, ge=0, lt=1)
    gradient_checkpointing: bool = False
    cpu_offload: bool = False
    """Keep activations and the optimizer's state in the machine's memory where the card has no room; slower."""
    checkpoints: int = Field(8, ge=1)
    """Evaluated on the validation examples; the best is kept."""
    patience: int = Field(3, ge=0)
    """Evaluations without a lower validation loss after which training stops; 0 trains to the end."""
    seed: int = 13

    @model_validator(mode="after")
    def _bundled_starts_from_nothing(self) -> Self:
        if self.base == BUNDLED and self.method is not ChatMethod.FULL:
            raise ValueError("the bundled base has learned nothing yet: set method to full, or base to another model")
        if self.base == BUNDLED and self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of {self.heads} heads: correct one of them")
        return self


class ChatGenerationConfig(Stage):
    """How the chat model speaks. What changes no weights is no part of a digest."""

    max_new_tokens: int = Field(128, ge=1)
    do_sample: bool = False
    temperature: float = Field(0.7, gt=0, le=2)
    """With `do_sample`."""
    top_p: float = Field(1.0, gt=0, le=1)
    """With `do_sample`: share of the probability that words are drawn from, the likeliest first."""


class ChatCompareConfig(Stage):
    """Asking the ways to answer the same questions."""

    questions: int = Field(100, ge=1)
    """Drawn from each group of those that evaluate."""
    calibration_questions: int = Field(100, ge=1)
    """Drawn from each group of those that validate, to learn from which confidence the chat model is trusted."""
    timed: int = Field(30, ge=1)
    """Questions that the chat model alone is asked one at a time, to see how long it takes."""
    seed: int = 13


class ChatGateConfig(Stage):
    """What a chat model must show before it serves."""

    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_questions: int = Field(20, ge=1)
    max_made_up_rise: float = Field(0.02, ge=0, le=1)
    """Largest rise of the share of answers that are made up."""
    max_latency_p95_ms: float = Field(2000, gt=0)
    """Time to a whole answer."""
    resamples: int = Field(10_000, ge=100)
    seed: int = 13


class ChatConfig(Stage):
    """All of the chat model."""

    data: ChatDataConfig = ChatDataConfig()
    training: ChatTrainingConfig = ChatTrainingConfig()
    generation: ChatGenerationConfig = ChatGenerationConfig()
    compare: ChatCompareConfig = ChatCompareConfig()
    gate: ChatGateConfig = ChatGateConfig()
