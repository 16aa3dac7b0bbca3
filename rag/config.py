"""One frozen model per stage. Imports no torch."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

COLLECTION = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""What a collection may be called."""


class Stage(BaseModel):
    """Base of the stage configs: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ChunkingConfig(Stage):
    """How text is cut. Tokens are those of the bundled encoder's tokenizer."""

    chunk_tokens: int = Field(400, ge=50, le=2000)
    overlap_tokens: int = Field(50, ge=0, le=500)
    boilerplate_pages: int = Field(3, ge=2)
    """A line at the edge of at least this many pages, and of most of them, is a running header or footer."""


class ModelProvider(StrEnum):
    """Where a language model runs."""

    NONE = "none"
    GROQ = "groq"
    LOCAL = "local"


class LanguageModelConfig(Stage):
    """A language model, and the bounds within which it is asked. What changes no answer is no part of a digest."""

    model: str | None = None
    """Name, or for the local provider also a folder; the provider's default unless given."""
    temperature: float = Field(0.7, ge=0, le=2)
    max_tokens: int = Field(2000, ge=64)
    """Tokens of an answer at most."""
    requests_per_minute: int | None = Field(30, ge=1, exclude=True)
    tokens_per_minute: int | None = Field(None, ge=100, exclude=True)
    """As the provider tells unless given."""
    at_once: int = Field(4, ge=1, le=64, exclude=True)
    """Prompts sent together, or answered in one batch."""
    attempts: int = Field(4, ge=1, exclude=True)
    """Times that a prompt is asked before it is given up."""
    backoff_s: float = Field(1.0, ge=0, exclude=True)
    """Wait before the second attempt; doubles with each. What the provider asks for comes first."""
    timeout_s: float = Field(60.0, gt=0, exclude=True)
    max_wait_s: float = Field(300.0, gt=0, exclude=True)
    """Longest wait that a provider may ask for; the run stops if it wants more."""
    prices: dict[str, tuple[float, float]] = Field({}, exclude=True)
    """USD for a million tokens in and out, by model, before the built-in table."""


class Writer(StrEnum):
    """Who writes questions."""

    EXTRACTIVE = "extractive"
    GROQ = "groq"
    LOCAL = "local"


class SynthesisConfig(Stage):
    """Writing questions from chunks."""

    writer: Writer = Writer.EXTRACTIVE
    """`extractive` needs no language model."""
    questions_per_chunk: int = Field(3, ge=0, le=10)
    comparative_share: float = Field(0.1, ge=0, le=0.5)
    seed: int = 13
    analytical_share: float = Field(0.34, ge=0, le=1)
    """Of the questions that compare nothing. This and what follows concern language models."""
    style_examples: int = Field(6, ge=0, le=20)
    """Real questions of training documents that a model is shown to write alike."""
    improve_answers: bool = True
    """Have the model write each answer out in a second step."""
    rounds: int = Field(3, ge=1, le=10)
    """Times that a chunk is asked for the questions that are still missing."""
    llm: LanguageModelConfig = LanguageModelConfig()


class PairsConfig(Stage):
    """Which pairs are learned from, and which are asked in the evaluation."""

    passage_tokens: int = Field(126, ge=16)
    """Length of the passage that a pair is learned from: what training looks at, less the two special tokens."""
    synthetic_per_real: float = Field(1.5, ge=0)
    """Synthetic training pairs at most for each real one, where there are enough real ones."""
    max_synthetic: int = Field(1200, ge=0)
    """Synthetic training pairs at most."""
    max_synthetic_questions: int = Field(200, ge=0)
    """Synthetic questions at most in the evaluation set and in validation, each."""
    near_duplicate: float = Field(0.8, ge=0.7, le=1)
    """Jaccard similarity of words from which two questions of a document may ask the same."""
    round_trip_depth: int = Field(20, ge=1)
    """First chunks that BM25 finds for a synthetic question, among which its own must be."""
    min_groundedness: float = Field(0.6, ge=0, le=1)
    """Least share of a synthetic answer's content words that stand in its evidence or question."""
    mask_personal_data: bool = False
    """Mask addresses, telephone, card and account numbers in what is learned from; needs `ragloop[privacy]`."""
    phone_regions: tuple[str, ...] = ("US", "GB", "DE", "FR", "SE")
    """Whose telephone numbers are found without a country code."""
    seed: int = 13


class SplitConfig(Stage):
    """Shares of the documents' groups, and what counts as the same text."""

    evaluation_share: float = Field(0.3, gt=0, lt=0.8)
    validation_share: float = Field(0.15, gt=0, lt=0.5)
    near_duplicate: float = Field(0.6, gt=0, le=1)
    """Jaccard similarity of 5-word shingles from which two documents are one group."""
    seed: int = 13


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
    """Shares of the tuned weights, the rest the base's, that are tried in the end; the best on validation stays."""
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


class EncodingConfig(Stage):
    """What runs the embedder on a CPU, and how near it must be to the embedder itself; a card runs it in fp16."""

    engine: str = Field("auto", pattern="^(auto|torch|openvino-bf16|openvino-int8)$")
    """auto: openvino-bf16 on a CPU that multiplies bfloat16 in hardware, else torch, which a card always uses.
    openvino-int8, for other CPUs, needs `ragloop[int8]`."""
    min_cosine: float = Field(0.99, ge=0, le=1)
    """Mean cosine between the vectors of sample passages and those that sentence-transformers gives in fp32."""
    min_overlap: float = Field(0.95, ge=0, le=1)
    """Mean share of a passage's ten nearest neighbours that stay."""


class IndexConfig(Stage):
    """What is searched: dense windows of chunks, and words of chunks and windows."""

    window_tokens: int = Field(128, ge=16)
    window_stride: int = Field(96, ge=8)
    lexical_engine: str = Field("bm25s", pattern="^(bm25s|rank-bm25)$")
    graph_from: int = Field(50_000, ge=1)
    """Windows from which the nearest are found approximately, by a graph (HNSW), and no longer by comparing all."""
    compressed_from: int = Field(500_000, ge=1)
    """Windows from which vectors take a quarter of the memory, in cells (IVF) at a byte for each number (SQ8)."""
    encode_batch: int = Field(64, ge=1, exclude=True)
    """Texts at a time; changes the speed alone, so it is no part of an index's digest."""

    @model_validator(mode="after")
    def _windows_leave_no_gap(self) -> Self:
        if self.window_stride > self.window_tokens:
            raise ValueError("window_stride is above window_tokens, and what lies between windows is not searched")
        return self


class Expansion(StrEnum):
    """What a question's vector is moved toward."""

    NONE = "none"
    RELEVANCE_FEEDBACK = "relevance-feedback"
    """What lies nearest."""
    MULTI_QUERY = "multi-query"
    """Rephrasings that a language model writes."""
    HYPOTHETICAL_ANSWER = "hypothetical-answer"
    """An answer that a language model writes."""


class RetrievalConfig(Stage):
    """How the scores of a chunk become one ranking. The defaults are the plain mix; the rest is learned."""

    dense_weight: float = Field(0.4, ge=0, le=1)
    """Share of the dense score, the rest is the lexical one's."""
    phrase_weight: float = Field(0.0, ge=0)
    """BM25 of pairs of neighbouring words, added to that of words."""
    rerank_weight: float = Field(0.0, ge=0, le=1)
    """Share of the reranker's score for the chunks that it re-scores, the rest is the mix's."""
    rerank_depth: int = Field(0, ge=0)
    """Best chunks of the mix that are re-scored."""
    candidates: int = Field(200, ge=10)
    expansion: Expansion = Expansion.NONE
    """How a question's vector is moved toward what it means before the nearest are looked for."""
    expansions: tuple[Expansion, ...] = (Expansion.RELEVANCE_FEEDBACK,)
    """Which of them are tried when the weights are learned; one is kept only where it helps."""
    provider: ModelProvider = ModelProvider.NONE
    """Who writes rephrasings and hypothetical answers."""
    rephrasings: int = Field(3, ge=1, le=8)
    llm: LanguageModelConfig = LanguageModelConfig()
    """Its model. The bounds hold while weights are learned; somebody who searches waits a few seconds at most."""

    @model_validator(mode="after")
    def _written_expansions_have_a_writer(self) -> Self:
        written = {Expansion.MULTI_QUERY, Expansion.HYPOTHETICAL_ANSWER} & {self.expansion, *self.expansions}
        if written and self.provider is not ModelProvider.GROQ:
            raise ValueError(f"{min(written)} needs a model that answers while somebody waits: set provider to groq")
        return self


class GateConfig(Stage):
    """What a candidate must show before it serves."""

    metric: str = Field("mrr@10", pattern=r"^(hit@1|hit@5|hit@20|mrr@10|ndcg@10)$")
    confidence: float = Field(0.95, gt=0.5, lt=1)
    min_questions: int = Field(20, ge=1)
    max_general_loss: float = Field(0.03, ge=0)
    """Largest loss of hit@1 on the general set."""
    max_latency_p95_ms: float = Field(1000, gt=0)
    """Time to retrieve; answering has the rest of the two seconds."""
    max_serving_bytes: int = Field(5 * 2**30, gt=0)
    """Embedder and index, against the 5 GB of a serving card."""
    resamples: int = Field(10_000, ge=100)
    seed: int = 13


class Config(Stage):
    """All stages of one run."""

    chunking: ChunkingConfig = ChunkingConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    pairs: PairsConfig = PairsConfig()
    split: SplitConfig = SplitConfig()
    negatives: NegativesConfig = NegativesConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    reranking: RerankingConfig = RerankingConfig()
    encoding: EncodingConfig = EncodingConfig()
    index: IndexConfig = IndexConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    gate: GateConfig = GateConfig()

    @model_validator(mode="after")
    def _distilling_has_a_teacher(self) -> Self:
        if self.embedding.distill_weight and not (self.reranking.method == "cross-encoder" and self.negatives.per_pair):
            raise ValueError(
                "embedding.distill_weight needs a cross-encoder and mined negatives: set reranking.method to "
                "cross-encoder and negatives.per_pair above 0, or distill_weight to 0"
            )
        return self
