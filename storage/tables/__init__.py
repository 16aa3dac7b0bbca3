"""The rows. What people wrote or asked is sealed; ids, counts, digests and names are plain."""

from storage.tables.access import ApiKeyRow
from storage.tables.base import Table
from storage.tables.corpus import ChunkRow, DeletionRow, DocumentRow, UploadRow
from storage.tables.experiments import ExperimentRow, ExposureRow
from storage.tables.questions import FeedbackRow, InteractionRow, OutboxRow, QueryPairRow, WatermarkRow
from storage.tables.releases import EvaluationRow, EvaluationSetRow, ProductionRow, PromotionRow, ReleaseRow

__all__ = [
    "ApiKeyRow",
    "ChunkRow",
    "DeletionRow",
    "DocumentRow",
    "EvaluationRow",
    "EvaluationSetRow",
    "ExperimentRow",
    "ExposureRow",
    "FeedbackRow",
    "InteractionRow",
    "OutboxRow",
    "ProductionRow",
    "PromotionRow",
    "QueryPairRow",
    "ReleaseRow",
    "Table",
    "UploadRow",
    "WatermarkRow",
]
