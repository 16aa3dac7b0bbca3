"""Encoding, indexing and searching. Imports no torch."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from rag.config.language_model import LanguageModelConfig, ModelProvider
from rag.config.stage import Stage


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


class Ranker(StrEnum):
    """What of a search decides its ranking."""

    BM25 = "bm25"
    DENSE = "dense"
    MIXED = "mixed"
    """Both, without a reranker."""


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

    def ranked_by(self, ranker: Ranker) -> Self:
        """Return the config of a search of which only this part decides, to measure what it is worth."""
        alone = {Ranker.BM25: 0.0, Ranker.DENSE: 1.0, Ranker.MIXED: self.dense_weight}
        return self.model_copy(update={"dense_weight": alone[ranker], "rerank_weight": 0.0, "rerank_depth": 0})
