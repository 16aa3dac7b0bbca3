"""Documents: add, list, delete; what became of an upload."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.api.dependencies import CollectionName, CollectionReader, CollectionTrainer, Reader
from app.api.errors import Missing
from rag.corpus.artifact import active_documents
from rag.corpus.extract import media_type_of
from rag.corpus.files import MAX_NAME, check_name
from rag.deletion import Deletion, delete_document
from rag.errors import UnreadableDocument
from storage.upload import UploadState

routes = APIRouter(tags=["documents"])

_FORM = {
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "name": {"type": "string", "description": "The document's name; the file's unless given."},
                },
            }
        }
    },
    "required": True,
}


class UploadStatus(BaseModel):
    """A file that was taken in."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    collection: str
    name: str
    state: UploadState
    """Once it is done, it is searched."""
    reason: str | None
    """Why it was refused, or has to wait."""
    size_bytes: int
    created_at: datetime
    finished_at: datetime | None


class Document(BaseModel):
    """The current version of a document."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    version: int
    media_type: str
    size_bytes: int
    n_pages: int
    n_chunks: int
    n_chars: int
    ingested_at: datetime


@routes.post("/collections/{collection}/documents", status_code=202, openapi_extra={"requestBody": _FORM})
async def upload(collection: CollectionName, caller: CollectionTrainer, request: Request) -> UploadStatus:
    """Take a file in; it is sealed at once and read in turn. The same name again is a new version."""
    name, data = await _file_of(request, caller.service.space.settings.max_upload_mb * 2**20)
    row = await run_in_threadpool(caller.service.uploads.accept, collection, name, data)
    return UploadStatus.model_validate(row)


@routes.get("/uploads/{upload_id}")
def upload_state(upload_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")], caller: Reader) -> UploadStatus:
    """Say what became of a file."""
    row = caller.service.uploads.find(upload_id)
    if row is None:
        raise Missing(f"no upload {upload_id}: give the id that came with it")
    caller.key.require_collection(row.collection)
    return UploadStatus.model_validate(row)


@routes.get("/collections/{collection}/documents")
def list_documents(collection: CollectionName, caller: CollectionReader) -> list[Document]:
    """List the documents by name."""
    rows = active_documents(caller.service.space.database, collection)
    return [Document.model_validate(row) for row in rows]


@routes.delete("/collections/{collection}/documents/{name:path}")
def delete(
    collection: CollectionName,
    name: Annotated[str, Path(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00]+$")],
    caller: CollectionTrainer,
) -> Deletion:
    """Delete a document with all its versions, vectors, remembered answers and training pairs, at once.

    The answer names the releases whose training saw it.
    """
    try:
        deletion = delete_document(caller.service.space, collection, name, caller.service.config)
    except UnreadableDocument as error:
        raise Missing(str(error)) from error
    caller.service.engines.forget(collection)
    return deletion


async def _file_of(request: Request, max_bytes: int) -> tuple[str, bytes]:
    """Return the name and bytes of the file in a form.

    :raises HTTPException: if there is none.
    :raises UnreadableDocument: if it has no name that a document can have.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(415, "send a form: curl -F file=@handbook.pdf")
    parser = MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=8)
    parser.spool_max_size = max_bytes + 1  # it stays in memory: nothing unsealed reaches the disk
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form is damaged ({error.message})") from error
    file, given = form.get("file"), form.get("name")
    if not isinstance(file, UploadFile):
        raise HTTPException(422, "the form has no file: curl -F file=@handbook.pdf")
    name = (given if isinstance(given, str) else file.filename or "").replace("\\", "/")
    check_name(name)
    media_type_of(name)
    return name, await file.read()
