"""How people react to answers."""

from fastapi import APIRouter
from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema
from sqlmodel import select

from app.api.dependencies import Caller, Reader
from rag.feedback.recording import InteractionNotFound, record_feedback
from rag.feedback.signals import Feedback, Name
from storage.tables import InteractionRow

routes = APIRouter(tags=["feedback"])


class Reaction(Feedback):
    """A reaction to an answer; `interaction_id` is the answer's id."""

    user: Name | None = None
    """Who reacts, as the caller names people: the same as when asking. The key is one person otherwise."""
    user_fingerprint: SkipJsonSchema[None] = None


class Kept(BaseModel):
    """The reaction is kept."""

    id: int


@routes.post("/feedback", status_code=201)
def give_feedback(reaction: Reaction, caller: Reader) -> Kept:
    """Keep a reaction: a rating, a thumb, a correction, the right passage, or what the person did with the answer."""
    space = caller.service.space
    caller.key.require_collection(_collection_of(caller, reaction.interaction_id))
    fields = reaction.model_dump(exclude={"user"}) | {"user_fingerprint": caller.fingerprint(reaction.user)}
    feedback = Feedback.model_validate(fields)
    return Kept(id=record_feedback(space.database, feedback, space.settings.feedback_threshold))


def _collection_of(caller: Caller, interaction_id: str) -> str:
    with caller.service.space.database.reading() as session:
        query = select(InteractionRow.collection).where(InteractionRow.id == interaction_id)
        collection = session.exec(query).first()
    if collection is None:
        raise InteractionNotFound(f"no interaction {interaction_id!r}: give the id that came with the answer")
    return collection
