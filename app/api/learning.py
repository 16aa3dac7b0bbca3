"""What a collection has learned from those who use it."""

from fastapi import APIRouter

from app.api.dependencies import CollectionName, CollectionTrainer
from rag.learning import Learning, learning

routes = APIRouter(prefix="/collections/{collection}/learning", tags=["training"])


@routes.get("")
def see_learning(collection: CollectionName, caller: CollectionTrainer) -> Learning:
    """Show the feedback that waits for the next retraining, the releases as they were judged, and what served when.

    What is compared while people use it is under `experiments`, what the documents do not answer under `monitoring`.
    """
    return learning(caller.service.space, collection)
