"""POST /explain: why a question is answered as it is."""

from fastapi import APIRouter

from app.api.ask import Asked
from app.api.dependencies import Reader
from rag.answering.explaining import explain
from rag.answering.explanation import Explanation

routes = APIRouter(tags=["ask"])


@routes.post("/explain")
async def explain_answer(asked: Asked, caller: Reader) -> Explanation:
    """Answer a question aside, and show what each step of it came to, with a line that says what to do about it.

    It takes what `/ask` takes; `stream`, `boxes` and `user` change nothing. The cache is passed by, no interaction is
    kept, and no experiment has a part in it: `release_id` names the release that is explained, which is what serves.
    """
    question, service = asked.by(caller), caller.service
    return await service.work.run(lambda: explain(service.engines.of(asked.collection, asked.way), question))
