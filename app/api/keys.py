"""What a key may do, for those who have it."""

from fastapi import APIRouter

from app.access import Key
from app.api.dependencies import Reader

routes = APIRouter(prefix="/keys", tags=["keys"])


@routes.get("/self")
def see_own_key(caller: Reader) -> Key:
    """Say which role the key of the request has, which collections it opens, and until when."""
    return caller.key
