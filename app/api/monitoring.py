"""How a collection is used."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.dependencies import CollectionName, CollectionTrainer
from rag.monitoring import MAX_DAYS
from rag.monitoring.report import Monitoring, monitor

routes = APIRouter(prefix="/collections/{collection}/monitoring", tags=["monitoring"])

Days = Annotated[int | None, Query(ge=1, le=MAX_DAYS, description="Shown one by one; as configured unless given.")]


@routes.get("")
def see_use(collection: CollectionName, caller: CollectionTrainer, days: Days = None) -> Monitoring:
    """Show who asks and comes back, how answers are judged, what has drifted, what to document next, and alerts.

    What people asked is in it, as far as it stands for a topic.
    """
    service = caller.service
    encoder = service.engines.of(collection).retriever.encoder
    return monitor(service.space, collection, service.config, encoder.encode_queries, days=days)
