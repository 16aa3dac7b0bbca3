"""What the next training learns from, and its start."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.api.dependencies import Caller, CollectionName, CollectionTrainer
from app.api.errors import NoWorkers
from app.api.retrainings import Run
from rag.corpus.artifact import load_chunks, load_texts
from rag.llm.access import LanguageModels
from rag.pairs.artifact import CollectionPairs, collection_pairs, load_pairs, pair_rows
from rag.pairs.collection import ImportSummary, import_questions, load_alignable
from rag.pairs.export import pair_lines
from rag.pairs.harvest import HarvestSummary, harvest
from rag.pairs.questions_file import RealQuestion
from storage.errors import RagloopError

routes = APIRouter(prefix="/collections/{collection}", tags=["training"])

JSONL = "application/x-ndjson"
Lines = Annotated[bytes, Body(media_type=JSONL, min_length=1, description="A JSON object a line.")]


class Retraining(BaseModel):
    """A retraining that was started."""

    run: str
    """Its id on the Prefect server."""


@routes.post("/conversations")
def import_conversations(
    collection: CollectionName,
    lines: Lines,
    caller: CollectionTrainer,
    source: Annotated[str, Query(min_length=1, max_length=100)] = "api",
) -> HarvestSummary:
    """Take chat logs: JSONL of turns, or of OpenAI-style messages; questions that the documents answer become pairs."""
    return harvest(caller.service.space, collection, lines, source)


@routes.post("/pairs")
def import_pairs(
    collection: CollectionName,
    questions: Annotated[list[RealQuestion], Body(min_length=1, max_length=10_000)],
    caller: CollectionTrainer,
) -> ImportSummary:
    """Take real questions with their answers; each is tied to the passage that answers it, or refused by name."""
    space = caller.service.space
    known = load_alignable(space.artifacts, space.database, collection)
    return import_questions(space.database, space.sealer, collection, questions, known)


@routes.get("/pairs")
def count_pairs(collection: CollectionName, caller: CollectionTrainer) -> list[dict[str, Any]]:
    """Count the pairs that a retraining would use, and what was dropped; makes them first, which may take minutes."""
    return pair_rows(caller.service.space.artifacts.facts(_pairs(caller, collection).pairs))


@routes.get(
    "/pairs/export",
    response_class=StreamingResponse,
    responses={200: {"content": {JSONL: {"schema": {"type": "string"}}}}},
)
def export_pairs(collection: CollectionName, caller: CollectionTrainer) -> StreamingResponse:
    """Send the pairs as JSONL, in plain text; what is sealed here is not sealed there."""
    store = caller.service.space.artifacts
    made = _pairs(caller, collection)
    texts = {doc_id: text.text for doc_id, text in load_texts(store, made.corpus).items()}
    pairs = [pair for part in load_pairs(store, made.pairs) for pair in part]
    lines: Iterator[str] = pair_lines(pairs, load_chunks(store, made.corpus), texts)
    return StreamingResponse(lines, media_type=JSONL)


@routes.post("/retrainings", status_code=202)
def retrain(collection: CollectionName, caller: CollectionTrainer) -> Retraining:
    """Have the workers of the Prefect server train, judge, and promote what is proven better."""
    try:
        return Retraining(run=caller.service.retrainings.start(collection))
    except RagloopError as error:
        raise NoWorkers(str(error)) from error


@routes.get("/retrainings")
def see_retrainings(collection: CollectionName, caller: CollectionTrainer) -> list[Run]:
    """Show the last retrainings, newest first, as the Prefect server knows them."""
    try:
        return list(caller.service.retrainings.last(collection))
    except RagloopError as error:
        raise NoWorkers(str(error)) from error


def _pairs(caller: Caller, collection: str) -> CollectionPairs:
    space, config = caller.service.space, caller.service.config
    return collection_pairs(space.artifacts, space.database, collection, config, LanguageModels.of(space))
