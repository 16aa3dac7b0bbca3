"""One frozen model per stage. Imports no torch."""

from typing import Self

from pydantic import model_validator

from rag.config.answering import AnsweringConfig, AnswerModelConfig, GeneratorKind, LocalAnswerModelConfig
from rag.config.chat import (
    ChatCompareConfig,
    ChatConfig,
    ChatDataConfig,
    ChatGateConfig,
    ChatGenerationConfig,
    ChatMethod,
    ChatTrainingConfig,
)
from rag.config.evaluation import EvaluationConfig
from rag.config.experiments import ExperimentConfig, GuardRail, Harm, Outcome
from rag.config.gate import GateConfig
from rag.config.judge import JudgeConfig, JudgeMetric, JudgeProvider
from rag.config.language_model import LanguageModelConfig, ModelProvider
from rag.config.monitoring import MonitoringConfig
from rag.config.pairs import ChunkingConfig, PairsConfig, SplitConfig, SynthesisConfig, Writer
from rag.config.retrieval import EncodingConfig, Expansion, IndexConfig, Ranker, RetrievalConfig
from rag.config.stage import COLLECTION, Stage
from rag.config.training import EmbeddingConfig, NegativesConfig, RerankingConfig
from rag.config.tuning import TuningConfig

__all__ = [
    "AnswerModelConfig",
    "AnsweringConfig",
    "COLLECTION",
    "ChatCompareConfig",
    "ChatConfig",
    "ChatDataConfig",
    "ChatGateConfig",
    "ChatGenerationConfig",
    "ChatMethod",
    "ChatTrainingConfig",
    "ChunkingConfig",
    "Config",
    "EmbeddingConfig",
    "EncodingConfig",
    "EvaluationConfig",
    "Expansion",
    "ExperimentConfig",
    "GateConfig",
    "IndexConfig",
    "GeneratorKind",
    "GuardRail",
    "Harm",
    "JudgeConfig",
    "JudgeMetric",
    "JudgeProvider",
    "LanguageModelConfig",
    "LocalAnswerModelConfig",
    "ModelProvider",
    "MonitoringConfig",
    "NegativesConfig",
    "Outcome",
    "PairsConfig",
    "Ranker",
    "RerankingConfig",
    "RetrievalConfig",
    "SplitConfig",
    "Stage",
    "SynthesisConfig",
    "TuningConfig",
    "Writer",
]


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
    answering: AnsweringConfig = AnsweringConfig()
    chat: ChatConfig = ChatConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    experiments: ExperimentConfig = ExperimentConfig()
    gate: GateConfig = GateConfig()
    judge: JudgeConfig = JudgeConfig()
    tuning: TuningConfig = TuningConfig()
    monitoring: MonitoringConfig = MonitoringConfig()

    @model_validator(mode="after")
    def _distilling_has_a_teacher(self) -> Self:
        if self.embedding.distill_weight and not (self.reranking.method == "cross-encoder" and self.negatives.per_pair):
            raise ValueError(
                "embedding.distill_weight needs a cross-encoder and mined negatives: set reranking.method to "
                "cross-encoder and negatives.per_pair above 0, or distill_weight to 0"
            )
        return self
