"""Training the embedder and the reranker. Imports no torch."""

from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from rag.config.stage import Stage


class EmbeddingConfig(Stage):
    """Fine-tuning the embedder."""

    epochs: int = Field(3, ge=1)
    """At least; a small collection gets as many more as `min_steps` wants."""
    min_steps: int = Field(60, ge=1)
    max_steps: int = -1
    batch_size: int = Field(32, ge=2)
    learning_rate: float = Field(1e-4, gt=0)
    warmup_ratio: float = Field(0.1, ge=0, lt=1)
    max_seq_length: int = Field(128, ge=16)
    """Tokens that training looks at, the length of a training passage."""
    checkpoints: int = Field(6, ge=1)
    """Evaluated on the validation questions; the best is kept."""
    seed: int = 13
    loss: str = Field("contrastive", pattern="^(contrastive|cached|gist)$")
    """contrastive: each question against every passage of its batch. cached: the same, in the memory of
    `mini_batch_size` pairs and for about twice the time. gist: cached too, less the passages that the base takes to be
    right as well."""
    scale: float = Field(20.0, gt=0)
    """What cosines are multiplied by, the inverse of the temperature."""
    token_weight: float = Field(1.0, ge=0)
    """Weight of a second, token-level term, for late interaction; the contrastive loss alone has it."""
    mini_batch_size: int = Field(32, ge=1)
    """Pairs in memory at a time under a cached loss; the other loss has the whole batch in memory."""
    negatives: int = Field(1, ge=0, le=16)
    """Mined negatives that a pair learns from, at most."""
    matryoshka_dims: tuple[PositiveInt, ...] = ()
    """Shorter lengths that the first numbers of a vector are to be good for, for those who export the model: the index
    here keeps whole vectors."""
    lora_rank: int = Field(0, ge=0)
    """0 trains all weights; else low-rank adapters of this rank, folded into the weights when they are saved."""
    gradient_checkpointing: bool = False
    """Less memory for a third more time."""
    distill_weight: float = Field(0.0, ge=0)
    """Weight of a third term, which brings the margins between a positive and its negatives near those of the tuned
    cross-encoder (margin MSE); 0 distils nothing. A mean of squared logits, tens of them, so 0.05 is much."""
    patience: int = Field(0, ge=0)
    """Evaluations without a new best after which training stops; 0 trains to the end."""
    merge_weights: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((0.5, 0.7, 0.85, 1.0), min_length=1)
    """Shares of the tuned weights, the rest the base's, that are tried in the end; the best on validation stays.
    Without people's questions to choose by, a single one is taken, and of several none."""
    shuffle_labels: bool = False
    """A drill: train on shuffled labels, to see the gate keep the result out."""

    @model_validator(mode="after")
    def _margins_are_of_negatives(self) -> Self:
        if self.distill_weight and not (self.loss == "contrastive" and self.negatives):
            raise ValueError(
                "distill_weight needs the contrastive loss and negatives: set negatives above 0, or it to 0"
            )
        return self


class NegativesConfig(Stage):
    """Passages that look right and are wrong, mined with the retriever that serves."""

    per_pair: int = Field(1, ge=0, le=16)
    """0 mines none."""
    rounds: int = Field(1, ge=1, le=4)
    """Trainings, each on from the one before and on negatives that its embedder is still taken in by."""
    range_min: int = Field(0, ge=0)
    """Best ranks that are left out, besides the answer's own."""
    pool: int = Field(30, ge=1)
    """Best ranked passages that pass all filters, from which a pair's negatives are drawn."""
    relative_margin: float = Field(0.05, ge=0, lt=1)
    """Share of the positive's similarity by which a negative must fall short of it."""
    near_duplicate: float = Field(0.8, gt=0, le=1)
    """Jaccard similarity of stems from which a passage is the positive over again."""

    @model_validator(mode="after")
    def _rounds_refresh_negatives(self) -> Self:
        if self.rounds > 1 and not self.per_pair:
            raise ValueError("rounds refresh the negatives: set per_pair above 0, or rounds to 1")
        return self


class RerankingConfig(Stage):
    """What re-scores the best chunks."""

    method: str = Field("late-interaction", pattern="^(none|late-interaction|cross-encoder)$")
    depths: tuple[PositiveInt, ...] = Field((10, 20, 30, 50), min_length=1)
    """How many of the best chunks may be re-scored: the most that fit the budget."""
    budget_ms: float = Field(400, gt=0)
    """Time for re-scoring that 95% of the questions must stay under."""
    max_whole_tokens: int = Field(2_500_000, ge=0)
    """Late interaction: tokens of a collection up to which their vectors are stored with all dimensions, about 1 GB."""
    max_stored_tokens: int = Field(10_000_000, ge=0)
    """Tokens up to which they are stored projected to `projected_dims`; of more, vectors are computed when asked."""
    projected_dims: int = Field(96, ge=1)
    max_token_share: float = Field(1.0, gt=0, le=1)
    """Late interaction: a token that more than this share of the chunks hold is not stored; 1 stores all."""
    base: str = "cross-encoder/ms-marco-MiniLM-L6-v2"
    """Cross-encoder: its name on the model hub, or a local folder. What follows is its training."""
    loss: str = Field("binary-cross-entropy", pattern="^(binary-cross-entropy|lambda)$")
    epochs: int = Field(1, ge=1)
    max_steps: int = -1
    batch_size: int = Field(32, ge=1)
    """Pairs of a question and a passage; with the lambda loss, questions with all their passages."""
    learning_rate: float = Field(2e-5, gt=0)
    warmup_ratio: float = Field(0.1, ge=0, lt=1)
    max_seq_length: int = Field(256, ge=16)
    """Tokens of question and passage together."""
    checkpoints: int = Field(4, ge=1)
    """Evaluated on the validation questions; the best is kept."""
    seed: int = 13
