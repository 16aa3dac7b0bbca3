"""What a candidate must show. Imports no torch."""

from pydantic import Field

from rag.config.stage import Stage


class GateConfig(Stage):
    """What a candidate must show before it serves."""

    metric: str = Field("mrr@10", pattern=r"^(hit@1|hit@5|hit@20|recall@5|recall@20|mrr@10|ndcg@10)$")
    min_gain: float = Field(0.0, ge=0, lt=1)
    """What the gain in the metric must be proven to exceed; at 0, equal is not better."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """How sure it must be that none of the candidates that are tried against a release displaces it by chance."""
    min_questions: int = Field(20, ge=1)
    max_general_loss: float = Field(0.03, ge=0)
    """Largest loss of hit@1 on the general set."""
    max_latency_p95_ms: float = Field(1000, gt=0)
    """Time to retrieve; answering has the rest of the two seconds."""
    max_serving_bytes: int = Field(5 * 2**30, gt=0)
    """Embedder and index, against the 5 GB of a serving card."""
    max_memory_bytes: int = Field(5 * 2**30, gt=0)
    """What answering takes of the machine's memory, where it was measured."""
    max_refusal_loss: float = Field(0.05, ge=0, le=1)
    """What is not to be proven lost of the share of unanswerable questions that are refused, less that of others."""
    resamples: int = Field(10_000, ge=100)
    seed: int = 13
